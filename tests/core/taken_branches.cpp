// SPDX-License-Identifier: Apache-2.0
// Taken branches as an observer sees them that leaves execution as it is: the same, at the same cycles, as
// one instruction at a time.
#include "tests/support/taken_branches.h"

#include <memory>

#include "core/run/core.h"
#include "core/timing/interval.h"
#include "machine.h"

namespace pmusim::core::test {
namespace {

constexpr u64 kCode = 0x100000, kDataAt = 0x200000, kHandler = 0x180000;

struct Watched : Machine {
  Watched(bool interval, bool step, const std::vector<u8>& code, u64 kept = kNever)
      : timed(interval ? std::unique_ptr<Timing>(std::make_unique<IntervalTiming>(TimingConfig{}))
                       : std::make_unique<FunctionalTiming>(4)),
        core(ram, env, *timed),
        seen(kept) {
    long_mode();
    for (const u8 vector : {u8{kDE}, u8{0x40}}) gate64(vector, kCode64, kHandler);
    ram.write(kCode, code.data(), code.size());
    const u8 handler[] = {0xb9, 1, 0, 0, 0, 0x31, 0xd2, 0x48, 0xcf};  // mov ecx, 1; xor edx, edx; iretq
    ram.write(kHandler, handler, sizeof handler);
    s.rip = kCode;
    s.gpr[RSI] = kDataAt;
    s.gpr[RDI] = kDataAt + 0x1000;
    core.configure(config);
    core.set_step(step);
    core.set_state(&s);
    core.attach(seen);
  }
  ~Watched() { core.detach(seen); }
  Stop run(const Limit& limit) {
    Stop stop = Stop::SliceEnd;
    while (stop == Stop::SliceEnd) stop = core.run(limit);
    return stop;
  }

  std::unique_ptr<Timing> timed;
  Core core;
  TakenRecorder seen;
};

struct Kinds : Observer {
  u8 levels() const override { return kBranch; }
  void on_branch(u64 from, u64 to, BranchKind kind, bool taken) override {
    if (taken) branches.push_back({from, to, kind, false, 0});
  }
  std::vector<TakenBranch> branches;
};

// mov ecx, 1000; a: call f; lea rdx, [rip + 2]; jmp rdx; loop a; xor ecx, ecx; div ecx; int 40h; call $+5; jz
// $+2; jnz $+2; mov ecx, 300; cld; rep movsb; hlt; f: jmp g; g: ret
const std::vector<u8> kMany = {
    0xb9, 0xe8, 0x03, 0,    0,              // 0
    0xe8, 0x2f, 0,    0,    0,              // 5: to 57
    0x48, 0x8d, 0x15, 2,    0,    0,    0,  // 10: to 19
    0xff, 0xe2,                             // 17
    0xe2, 0xf0,                             // 19: to 5
    0x31, 0xc9,                             // 21
    0xf7, 0xf1,                             // 23
    0xcd, 0x40,                             // 25
    0xe8, 0,    0,    0,    0,              // 27
    0x85, 0xc0,                             // 32: test eax, eax
    0x74, 0,                                // 34
    0x75, 0,                                // 36
    0xb9, 0x2c, 0x01, 0,    0,              // 38
    0xfc,                                   // 43
    0xf3, 0xa4,                             // 44
    0xf4, 0x90, 0x90, 0x90, 0x90, 0x90,     // 46
    0x90, 0x90, 0x90, 0x90, 0x90,           // 52
    0xeb, 0,                                // 57: to 59
    0xc3,                                   // 59
};

}  // namespace

TEST_CASE(
    "an observer of taken branches is told of each, with its kind, and of events, and of none that is not "
    "taken") {
  Watched w(false, false,
            {0xe8, 0, 0, 0, 0,        // call $+5: a branch to the next instruction is one
             0x31, 0xc0,              // xor eax, eax
             0x75, 0x00,              // jnz $+2: not taken
             0x74, 0x00,              // jz $+2: taken
             0xcd, 0x40,              // int 40h
             0x31, 0xc9, 0xf7, 0xf1,  // xor ecx, ecx; div ecx
             0xf4});
  CHECK(w.run({}) == Stop::Halted);
  const struct {
    u64 from, to;
    BranchKind kind;
    bool event;
  } rows[] = {
      {kCode, kCode + 5, BranchKind::DirectCall, false},
      {kCode + 9, kCode + 11, BranchKind::Conditional, false},
      {kCode + 11, kHandler, BranchKind::Far, false},      // INT n is an instruction
      {kHandler + 7, kCode + 13, BranchKind::Far, false},  // IRET
      {kCode + 15, kHandler, BranchKind::Far, true},       // #DE, from the instruction that faults
      {kHandler + 7, kCode + 15, BranchKind::Far, false},
  };
  REQUIRE(w.seen.branches.size() == std::size(rows));
  for (std::size_t i = 0; i < std::size(rows); ++i) {
    CAPTURE(i);
    const TakenBranch& b = w.seen.branches[i];
    CHECK(b.from == rows[i].from);
    CHECK(b.to == rows[i].to);
    CHECK(b.kind == rows[i].kind);
    CHECK(b.event == rows[i].event);
    CHECK((i == 0 || w.seen.branches[i - 1].cycle <= b.cycle));
  }
}

TEST_CASE("taken branches are the same by blocks and one at a time, under both timings, with any limits") {
  for (const bool interval : {false, true})
    for (const u64 size : {u64{1}, u64{2}, u64{3}, u64{7}, u64{1000}, kNever}) {
      CAPTURE(interval);
      CAPTURE(size);
      Watched fast(interval, false, kMany), step(interval, true, kMany);
      Limit limit;
      limit.instructions = size;
      while (fast.run(limit) == Stop::Limit) {
      }
      CHECK(step.run({}) == Stop::Halted);
      CHECK(step.seen.branches.size() > 4000);
      check_same_branches(fast.seen, step.seen);
    }
}

TEST_CASE("taken branches without events are those that an observer of every branch sees") {
  Watched fast(false, false, kMany), step(false, false, kMany);
  Kinds kinds;
  step.core.attach(kinds);
  CHECK(fast.run({}) == Stop::Halted);
  CHECK(step.run({}) == Stop::Halted);
  step.core.detach(kinds);
  std::size_t i = 0;
  for (const TakenBranch& b : fast.seen.branches) {
    if (b.event) continue;
    REQUIRE(i < kinds.branches.size());
    REQUIRE(b.from == kinds.branches[i].from);
    REQUIRE(b.to == kinds.branches[i].to);
    REQUIRE(b.kind == kinds.branches[i].kind);
    ++i;
  }
  CHECK(i == kinds.branches.size());
}

// mov ecx, 100000; loop $; hlt
TEST_CASE("a loop is advanced at once before an observer that keeps the last few branches, and it has them") {
  const std::vector<u8> loop = {0xb9, 0xa0, 0x86, 0x01, 0, 0xe2, 0xfe, 0xf4};
  for (const bool interval : {false, true}) {
    CAPTURE(interval);
    Watched all(interval, true, loop);
    CHECK(all.run({}) == Stop::Halted);
    CHECK(all.seen.told == 99999);
    for (const u64 kept : {u64{0}, u64{1}, u64{7}, u64{8}, u64{9}, u64{32}, u64{99998}, u64{99999}, kNever}) {
      CAPTURE(kept);
      Watched few(interval, false, loop, kept);
      CHECK(few.run({}) == Stop::Halted);
      if (kept <= 32)
        CHECK(few.seen.told < 99999 / 2);
      else
        CHECK(few.seen.told + 2 >= std::min<u64>(kept, 99999));
      CHECK(few.timed->cycle() == all.timed->cycle());
      check_same_branches(few.seen, all.seen);
    }
  }
}

// mov ecx, 20; jmp $ (changes nothing)
TEST_CASE("a loop for ever is advanced to a limit with the last branches told") {
  const std::vector<u8> spin = {0xb9, 20, 0, 0, 0, 0xeb, 0xfe};
  for (const bool interval : {false, true})
    for (const u64 kept : {u64{1}, u64{16}, kNever}) {
      CAPTURE(interval);
      CAPTURE(kept);
      Watched all(interval, true, spin), few(interval, false, spin, kept);
      for (const u64 cycle : {9000u, 9001u, 9500u, 20000u}) {
        Limit limit;
        limit.cycle = cycle;
        CHECK(all.run(limit) == Stop::Limit);
        CHECK(few.run(limit) == Stop::Limit);
        check_same_branches(few.seen, all.seen);
      }
      if (kept != kNever) CHECK(few.seen.told < all.seen.told / 2);
    }
}

}  // namespace pmusim::core::test
