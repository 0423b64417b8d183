// SPDX-License-Identifier: Apache-2.0
// Branch prediction: what a predictor of this kind must learn, what it cannot, what a barrier takes away.
#include <doctest/doctest.h>

#include "arch/event_counts.h"
#include "core/timing/branch_predictor.h"

using namespace pmusim;
using namespace pmusim::core;

namespace {

struct Predictor {
  Prediction conditional(u64 ip, bool taken) {
    return predictor.predict({ip, ip + 2, taken ? ip + 100 : ip + 2, BranchKind::Conditional, taken}, counts);
  }
  Prediction go(BranchKind kind, u64 ip, u64 target) {
    return predictor.predict({ip, ip + 5, target, kind, true}, counts);
  }
  u64 of(Count kind) { return count_in(counts, kind); }
  BranchPredictor predictor{PredictorConfig{}};
  CountVector counts{};
};

std::vector<u64> words_of(BranchPredictor& predictor) {
  WordArchive words;
  predictor.archive(words);
  return words.take();
}

}  // namespace

TEST_CASE("a branch that always goes the same way is learnt") {
  Predictor p;
  for (int i = 0; i < 20; ++i) p.conditional(0x1000, true);
  for (int i = 0; i < 20; ++i) p.conditional(0x2000, false);
  p.counts = {};
  for (int i = 0; i < 1000; ++i) {
    CHECK(p.conditional(0x1000, true) == Prediction::Right);
    CHECK(p.conditional(0x2000, false) == Prediction::Right);
  }
  CHECK(p.of(Count::MispCondTaken) + p.of(Count::MispCondNotTaken) == 0);
}

TEST_CASE("a loop of few iterations is predicted to its end, by its history") {
  Predictor p;
  const auto loop = [&p](int times) {
    for (int n = 0; n < times; ++n)
      for (int i = 0; i < 10; ++i) p.conditional(0x1000, i < 9);
  };
  loop(200);
  p.counts = {};
  loop(100);
  CHECK(p.of(Count::MispCondTaken) + p.of(Count::MispCondNotTaken) <= 1);
}

TEST_CASE("a loop longer than the history mispredicts its exit, once, as not taken") {
  Predictor p;
  for (int n = 0; n < 5; ++n) {
    p.counts = {};
    for (int i = 0; i < 1000; ++i) p.conditional(0x1000, i < 999);
  }
  CHECK(p.of(Count::MispCondNotTaken) == 1);
  CHECK(p.of(Count::MispCondTaken) <= 1);
}

TEST_CASE("outcomes without a pattern are mispredicted about every other time") {
  Predictor p;
  u64 x = 1;
  constexpr u64 kTimes = 20000;
  for (u64 i = 0; i < kTimes; ++i) {
    x = x * 6364136223846793005u + 1442695040888963407u;
    p.conditional(0x1000, x >> 63);
  }
  const u64 wrong = p.of(Count::MispCondTaken) + p.of(Count::MispCondNotTaken);
  CHECK(wrong > kTimes * 4 / 10);
  CHECK(wrong < kTimes * 6 / 10);
}

TEST_CASE("a branch that repeats another's outcome is learnt through the history") {
  Predictor p;
  u64 x = 1, wrong = 0;
  for (int i = 0; i < 20000; ++i) {
    x = x * 6364136223846793005u + 1442695040888963407u;
    const bool taken = x >> 63;
    p.conditional(0x1000, taken);
    const bool right = p.conditional(0x2000, taken) == Prediction::Right;
    if (i >= 10000 && !right) ++wrong;
  }
  CHECK(wrong < 200);
}

TEST_CASE("a direct jump is found at decode the first time, and known afterwards") {
  Predictor p;
  CHECK(p.go(BranchKind::DirectJump, 0x1000, 0x5000) == Prediction::Resteer);
  CHECK(p.go(BranchKind::DirectJump, 0x1000, 0x5000) == Prediction::Right);
  CHECK(p.of(Count::Resteers) == 1);
}

TEST_CASE("an indirect jump mispredicts when its target is new, and is learnt") {
  Predictor p;
  CHECK(p.go(BranchKind::IndirectJump, 0x1000, 0x5000) == Prediction::Mispredicted);
  CHECK(p.go(BranchKind::IndirectJump, 0x1000, 0x5000) == Prediction::Right);
  CHECK(p.of(Count::MispIndirectJump) == 1);
  CHECK(p.go(BranchKind::IndirectCall, 0x2000, 0x5000) == Prediction::Mispredicted);
  CHECK(p.of(Count::MispIndirectCall) == 1);
}

TEST_CASE("targets that follow a pattern are learnt by the path") {
  Predictor p;
  const auto run = [&p](int times) {
    for (int i = 0; i < times; ++i) p.go(BranchKind::IndirectJump, 0x1000, 0x5000 + 0x40 * (i % 4));
  };
  run(400);
  p.counts = {};
  run(400);
  CHECK(p.of(Count::MispIndirectJump) <= 4);
}

TEST_CASE("returns are predicted to the depth of the return stack, and no deeper") {
  PredictorConfig config;
  config.return_stack = 16;
  for (const u64 depth : {u64{15}, u64{16}, u64{17}, u64{20}}) {
    BranchPredictor predictor(config);
    CountVector counts{};
    for (u64 i = 0; i < depth; ++i)
      predictor.predict(
          {0x1000 + i * 0x100, 0x1005 + i * 0x100, 0x1100 + i * 0x100, BranchKind::DirectCall, true}, counts);
    for (u64 i = depth; i-- > 0;)
      predictor.predict({0x9000, 0x9001, 0x1005 + i * 0x100, BranchKind::Return, true}, counts);
    CAPTURE(depth);
    CHECK(count_in(counts, Count::MispReturn) == (depth > 16 ? depth - 16 : 0));
  }
}

TEST_CASE("a return that goes elsewhere mispredicts") {
  Predictor p;
  p.go(BranchKind::DirectCall, 0x1000, 0x5000);
  CHECK(p.go(BranchKind::Return, 0x5000, 0x1006) == Prediction::Mispredicted);
  CHECK(p.of(Count::MispReturn) == 1);
}

TEST_CASE("a barrier forgets targets and returns, not directions") {
  Predictor p;
  for (int i = 0; i < 300; ++i) p.conditional(0x3000, true);
  p.go(BranchKind::IndirectJump, 0x1000, 0x5000);
  p.go(BranchKind::DirectCall, 0x2000, 0x6000);
  p.predictor.barrier();
  p.counts = {};
  CHECK(p.go(BranchKind::Return, 0x6000, 0x2005) == Prediction::Mispredicted);
  CHECK(p.go(BranchKind::IndirectJump, 0x1000, 0x5000) == Prediction::Mispredicted);
  CHECK(p.conditional(0x3000, true) == Prediction::Resteer);  // direction right, target unknown
  CHECK(p.of(Count::MispReturn) == 1);
  CHECK(p.of(Count::MispIndirectJump) == 1);
  CHECK(p.of(Count::MispCondTaken) == 0);
}

TEST_CASE("far branches are neither predicted nor mispredicted") {
  Predictor p;
  const std::vector<u64> before = words_of(p.predictor);
  CHECK(p.go(BranchKind::Far, 0x1000, 0x5000) == Prediction::Right);
  CHECK(words_of(p.predictor) == before);
  CHECK(p.counts == CountVector{});
}

TEST_CASE("a restored predictor goes on as the saved one") {
  Predictor a, b;
  const auto run = [](Predictor& p, u64 from) {
    for (u64 i = from; i < from + 3000; ++i) {
      p.conditional(0x1000 + i % 13 * 8, i * i % 7 < 3);
      p.go(BranchKind::IndirectJump, 0x4000 + i % 3 * 16, 0x8000 + i % 5 * 64);
    }
  };
  run(a, 0);
  const std::vector<u64> saved = words_of(a.predictor);
  run(b, 5);
  WordArchive words(saved);
  b.predictor.archive(words);
  a.counts = b.counts = {};
  run(a, 3000);
  run(b, 3000);
  CHECK(a.counts == b.counts);
  CHECK(words_of(a.predictor) == words_of(b.predictor));
}

// AMD SOG 56665, "Branch Target Buffer": zero bubbles from the first level, one for calls and returns, three
// from the second.
TEST_CASE("with a first level, direct branches that it knows cost nothing, calls and returns a bubble") {
  PredictorConfig config;
  config.near_entries = 64;
  config.far_bubbles = 3;
  config.call_bubbles = 1;
  Predictor p;
  p.predictor = BranchPredictor(config);
  for (int i = 0; i < 4; ++i) {
    const bool known = i >= 2;
    CAPTURE(i);
    p.go(BranchKind::DirectJump, 0x1000, 0x2000);
    if (known) CHECK(p.predictor.bubbles() == 0);
    p.go(BranchKind::DirectCall, 0x2040, 0x3000);
    if (known) CHECK(p.predictor.bubbles() == 1);
    p.go(BranchKind::Return, 0x3004, 0x2045);
    if (known) CHECK(p.predictor.bubbles() == 1);
    CHECK(p.conditional(0x2050, false) != Prediction::Resteer);
    CHECK(p.predictor.bubbles() == 0);  // not taken
    p.go(BranchKind::DirectJump, 0x2060, 0x1000);
    if (known) CHECK(p.predictor.bubbles() == 0);
  }
}

TEST_CASE(
    "of several branches in turn behind one block, the first level holds one and the others come late") {
  PredictorConfig config;
  config.near_entries = 64;
  config.far_bubbles = 3;
  Predictor p;
  p.predictor = BranchPredictor(config);
  // A dispatcher at 1000h that jumps to one of four slots, which jump back.
  const auto late = [&](u64 apart) {
    u64 bubbles = 0;
    for (int i = 0; i < 4000; ++i) {
      const u64 slot = 0x2000 + i % 4 * apart;
      p.go(BranchKind::IndirectJump, 0x1010, slot);
      bubbles += p.predictor.bubbles();
      p.go(BranchKind::DirectJump, slot + 2, 0x1000);
      bubbles += p.predictor.bubbles();
    }
    return bubbles;
  };
  const u64 together = late(8), alone = late(64);
  CHECK(together >= 3 * 2900);  // three of four
  CHECK(together <= 3 * 3010);
  CHECK(alone <= 100);
  CHECK(p.of(Count::LateTargets) >= together / 3 - 100);
}

TEST_CASE("a barrier empties the first level too") {
  PredictorConfig config;
  config.near_entries = 64;
  config.far_bubbles = 3;
  Predictor p, fresh;
  p.predictor = BranchPredictor(config);
  for (int i = 0; i < 4; ++i) p.go(BranchKind::DirectJump, 0x1000, 0x1000);
  CHECK(p.predictor.bubbles() == 0);
  p.predictor.barrier();
  p.go(BranchKind::DirectJump, 0x1000, 0x1000);
  CHECK(p.predictor.bubbles() == 3);
}
