// SPDX-License-Identifier: Apache-2.0
// Loops that wait for the clock: whatever the loop, its comparison and the limits, registers, flags, counts,
// time and the timing model's state are those of execution one instruction at a time.
#include <doctest/doctest.h>

#include <memory>

#include "base/rng.h"
#include "core/timing/interval.h"
#include "program.h"

namespace pmusim::core::test {
namespace {

using Bytes = std::vector<u8>;

struct Waiter : Machine {
  static constexpr u64 kCode = 0x100000, kNum = 3, kDen = 7;
  std::unique_ptr<Timing> timed;
  Core core;

  Waiter(bool interval, bool step, const Bytes& bytes)
      : timed(interval ? std::unique_ptr<Timing>(std::make_unique<IntervalTiming>(TimingConfig{}))
                       : std::make_unique<FunctionalTiming>(4)),
        core(ram, env, *timed) {
    long_mode();
    s.rip = kCode;
    config.costs.cycles[static_cast<unsigned>(Cost::Rdtsc)] = 25;
    core.configure(config);
    core.set_clocks({kNum, kDen}, {1, 4});
    core.set_step(step);
    core.set_state(&s);
    env.clock = [this] { return timed->cycle() * kNum / kDen + 5000; };
    ram.write(kCode, bytes.data(), bytes.size());
  }
  u64 instructions() const {
    u64 sum = 0;
    for (const CountVector& v : core.counts()) sum += v[static_cast<unsigned>(Count::Instructions)];
    return sum;
  }
};

const Bytes kRead = {0x0f, 0x31, 0x48, 0xc1, 0xe2, 0x20, 0x89, 0xc0, 0x48, 0x09, 0xc2};  // RDX = clock
const Bytes kStart = {0x48, 0x89, 0xd1};                                                 // mov rcx, rdx
const Bytes kPause = {0xf3, 0x90}, kNothing = {};
const Bytes kSince = {0x48, 0x29, 0xca};                                         // sub rdx, rcx
const Bytes kLimit = {0x48, 0x81, 0xfa, 0x50, 0xc3, 0x00, 0x00};                 // cmp rdx, 50000
const Bytes kUntil = {0x48, 0x81, 0xc1, 0x50, 0xc3, 0x00, 0x00};                 // add rcx, 50000
const Bytes kClockToEnd = {0x48, 0x39, 0xca}, kEndToClock = {0x48, 0x39, 0xd1};  // cmp rdx, rcx; rcx, rdx

Bytes joined(std::initializer_list<Bytes> pieces) {
  Bytes all;
  for (const Bytes& piece : pieces) all.insert(all.end(), piece.begin(), piece.end());
  return all;
}

// do { body } while (condition)
Bytes bottom(const Bytes& before, const Bytes& body, u8 condition) {
  const u8 back = static_cast<u8>(0xfe - body.size());
  return joined({before, body, {static_cast<u8>(0x70 | condition), back}, {0xf4}});
}

// for (;;) { body; if (condition) break; pause; }
Bytes top(const Bytes& before, const Bytes& body, u8 condition) {
  const u8 back = static_cast<u8>(0xfe - (body.size() + 2 + 2));
  return joined({before, body, {static_cast<u8>(0x70 | condition), 4}, kPause, {0xeb, back}, {0xf4}});
}

constexpr u8 kBelow = 2, kNotBelow = 3, kNotAbove = 6, kAbove = 7;

const Bytes kFor = joined({kRead, kStart}), kEnd = joined({kRead, kStart, kUntil});
const Bytes kForms[] = {
    bottom(kFor, joined({kPause, kRead, kSince, kLimit}), kNotAbove),
    bottom(kFor, joined({kRead, kPause, kSince, kLimit}), kBelow),
    bottom(kEnd, joined({kRead, kClockToEnd}), kBelow),
    bottom(kEnd, joined({kPause, kRead, kEndToClock}), kNotBelow),
    bottom(kEnd, joined({kRead, kEndToClock}), kAbove),
    top(kFor, joined({kRead, kSince, kLimit}), kAbove),
    top(kEnd, joined({kRead, kEndToClock}), kNotAbove),
};
// Their RBX is what an iteration leaves to the next; their sign decides; they read the clock's low half.
const Bytes kOthers[] = {
    bottom(kFor, joined({kRead, {0x48, 0xff, 0xc3}, kSince, kLimit}), kNotAbove),  // inc rbx
    bottom(kFor, joined({kRead, kSince, {0x48, 0x01, 0xc3}, kLimit}), kNotAbove),  // add rbx, rax
    bottom(kEnd, joined({kRead, kClockToEnd}), 0xc),                               // jl
    bottom(kEnd, joined({kRead, {0x39, 0xc8}}), kBelow),                           // cmp eax, ecx
    bottom(kFor, joined({kRead, {0x48, 0x89, 0x1c, 0x25, 0, 0, 0x20, 0}, kSince, kLimit}),
           kBelow),  // a store
};

void check_same(const Waiter& fast, const Waiter& step) {
  REQUIRE(fast.s.rip == step.s.rip);
  REQUIRE(fast.s.rflags == step.s.rflags);
  REQUIRE(std::equal(fast.s.gpr, fast.s.gpr + 16, step.s.gpr));
  REQUIRE(fast.timed->cycle() == step.timed->cycle());
  REQUIRE(fast.core.counts() == step.core.counts());
}

// Both up to about as many instructions.
void run_to(Waiter& fast, Waiter& step, u64 instructions) {
  while (fast.instructions() < instructions) {
    Limit limit;
    limit.instructions = instructions - fast.instructions();
    REQUIRE(fast.core.run(limit) != Stop::Halted);
  }
  while (step.instructions() < fast.instructions()) {
    Limit limit;
    limit.instructions = fast.instructions() - step.instructions();
    step.core.run(limit);
  }
  check_same(fast, step);
  REQUIRE(fast.timed->save() == step.timed->save());
}

// Returns how many instructions the longest run without a change of the clock's reading took at once.
u64 run_both(bool interval, const Bytes& code, u64 seed, bool limits) {
  Waiter fast(interval, false, code), step(interval, true, code);
  Rng rng(seed);
  u64 longest = 0;
  for (Stop stop = Stop::SliceEnd; stop != Stop::Halted;) {
    Limit limit;
    if (limits && rng.below(3)) limit.cycle = fast.timed->cycle() + 1 + rng.below(rng.below(8) ? 30000 : 60);
    if (limits && !rng.below(3)) limit.instructions = 1 + rng.below(9000);
    const u64 before = fast.instructions();
    stop = fast.core.run(limit);
    longest = std::max(longest, fast.instructions() - before);
    while (step.instructions() < fast.instructions()) {
      Limit one;
      one.instructions = fast.instructions() - step.instructions();
      step.core.run(one);
    }
    check_same(fast, step);
  }
  REQUIRE(fast.s.activity == step.s.activity);
  REQUIRE(fast.timed->save() == step.timed->save());
  return longest;
}

}  // namespace

TEST_CASE("loops that wait for the clock are the same in closed form and step by step") {
  for (const bool interval : {false, true})
    for (const Bytes& code : kForms) {
      CAPTURE(interval);
      CAPTURE(&code - kForms);
      // 50,000 ticks are 116,667 cycles, an iteration some 30.
      CHECK(run_both(interval, code, 1, false) > 8000);
    }
}

TEST_CASE("loops that wait for the clock stop at every limit where their iterations stop") {
  for (const bool interval : {false, true})
    for (const Bytes& code : kForms)
      for (const u64 seed : {1, 2, 3}) {
        CAPTURE(interval);
        CAPTURE(&code - kForms);
        CAPTURE(seed);
        run_both(interval, code, seed, true);
      }
}

TEST_CASE("loops that do more than wait for the clock are executed") {
  for (const bool interval : {false, true})
    for (const Bytes& code : kOthers) {
      CAPTURE(interval);
      CAPTURE(&code - kOthers);
      CHECK(run_both(interval, code, 1, true) < 100);
    }
}

// for (;;) { read RDX; if (RDX - RBX < RSI) pause; else RBX = RDX; }: both ways have as many instructions.
TEST_CASE("a loop that now and then goes another way of the same length is the same as step by step") {
  const Bytes decide = joined({kRead,
                               {0x48, 0x89, 0xd1},    // mov rcx, rdx
                               {0x48, 0x29, 0xd9},    // sub rcx, rbx
                               {0x48, 0x39, 0xf1}});  // cmp rcx, rsi
  const u8 size = static_cast<u8>(decide.size());
  const Bytes code = joined({decide,
                             {0x72, 5},           // jb +5
                             {0x48, 0x89, 0xd3},  // mov rbx, rdx
                             {0xeb, static_cast<u8>(0xfe - (size + 2 + 3))},
                             kPause,
                             {0xeb, static_cast<u8>(0xfe - (size + 2 + 5 + 2))}});
  for (const bool interval : {false, true})
    for (u64 period = 2000; period < 8000; period += 90) {
      CAPTURE(interval);
      CAPTURE(period);
      Waiter fast(interval, false, code), step(interval, true, code);
      fast.s.gpr[RSI] = step.s.gpr[RSI] = period;
      for (u64 instructions = 2000; instructions <= 20000; instructions += 1500)
        run_to(fast, step, instructions);
    }
}

TEST_CASE("a waiting loop whose code is changed to as many instructions is the same as step by step") {
  const Bytes nop = {0x0f, 0x1f, 0x00}, move = {0x48, 0x89, 0xd2};  // mov rdx, rdx: a cycle more
  const Bytes code = bottom(kFor, joined({kRead, nop, kSince, kLimit}), kBelow);
  for (const bool interval : {false, true}) {
    CAPTURE(interval);
    Waiter fast(interval, false, code), step(interval, true, code);
    run_to(fast, step, 6000);
    for (Waiter* w : {&fast, &step})
      w->ram.write(Waiter::kCode + kFor.size() + kRead.size(), move.data(), move.size());
    for (u64 instructions = 6100; instructions < 14000; instructions += 700) run_to(fast, step, instructions);
  }
}

TEST_CASE("a second waiting loop that was observed for a while is not taken for the first") {
  struct Watcher final : Observer {
    u8 levels() const override { return kCycle; }
  };
  const auto until = [](u8 ticks) {  // add rcx, ticks << 12
    return joined(
        {kRead, kStart, {0x48, 0x81, 0xc1, 0, static_cast<u8>(ticks << 4), static_cast<u8>(ticks >> 4), 0}});
  };
  const Bytes body = joined({kRead, kClockToEnd});
  Bytes code = bottom(until(2), body, kBelow);
  code.pop_back();  // the first one's HLT
  const u64 second = Waiter::kCode + code.size();
  code = joined({code, bottom(until(255), body, kBelow)});
  for (const bool interval : {false, true}) {
    CAPTURE(interval);
    Waiter fast(interval, false, code), step(interval, true, code);
    while (fast.s.rip < second + until(0).size()) run_to(fast, step, fast.instructions() + 50);
    Watcher watcher;
    fast.core.attach(watcher);
    run_to(fast, step, fast.instructions() + 4000);
    fast.core.detach(watcher);
    for (unsigned i = 0; i < 10; ++i) run_to(fast, step, fast.instructions() + 400);
  }
}

TEST_CASE("a clock that is not the core's reference clock is not foreseen") {
  Waiter w(true, false, kForms[0]);
  u64 reads = 0;
  w.env.clock = [&reads] { return 10 * ++reads; };
  Stop stop = Stop::SliceEnd;
  while (stop != Stop::Halted) stop = w.core.run({});
  CHECK(reads == 5002);  // the first, those up to 50,000 later, and the one beyond
}

}  // namespace pmusim::core::test
