// SPDX-License-Identifier: Apache-2.0
// Loops in closed form: whatever the loop and the limits, registers, flags, counts and time are those of
// execution one instruction at a time.
#include <doctest/doctest.h>

#include "base/rng.h"
#include "program.h"
#include "tests/support/assembler.h"
#include "tests/support/sanitized.h"
#include "tests/support/taken_branches.h"

namespace pmusim::core::test {
namespace {

struct Looping : Program {
  explicit Looping(bool step, const std::vector<u8>& bytes, u64 seed) {
    core.set_step(step);
    code(bytes);
    Rng rng(seed);
    for (const Gpr r : {RAX, RCX, RDX, RBX, RSI, RDI}) {
      s.gpr[r] = rng.below(4) ? rng.below(400) : rng.below(2) ? rng.next() : 0 - rng.below(400);
    }
    s.rflags |= rng.next() & kArithmeticFlags;
  }
};

void check_same(const Looping& fast, const Looping& step) {
  for (unsigned r = 0; r < 16; ++r) {
    CAPTURE(r);
    REQUIRE(fast.s.gpr[r] == step.s.gpr[r]);
  }
  REQUIRE(fast.s.rip == step.s.rip);
  REQUIRE(fast.s.rflags == step.s.rflags);
  REQUIRE(fast.timing.slot() == step.timing.slot());
  for (unsigned c = 0; c < kContexts; ++c) REQUIRE(fast.core.counts()[c] == step.core.counts()[c]);
}

// A body of steps and comparisons, and a branch back to its start.
std::vector<u8> random_loop(Rng& rng) {
  using namespace pmusim::test;
  Assembler a(Program::kCode, Assembler::Mode::Long);
  const u8 regs[] = {0, 2, 3, 6, 7, 1};
  const auto reg = [&] { return regs[rng.below(rng.below(8) ? 5 : 6)]; };
  const auto body = [&]() -> Assembler& {
    const unsigned bits = rng.below(2) ? 64 : 32, n = reg();
    const ZydisRegister r = general(n, bits);
    const int step = static_cast<s8>(rng.below(3) ? rng.below(8) : rng.below(256));
    switch (rng.below(9)) {
      case 0:
        return a.inc(r);
      case 1:
        return a.dec(r);
      case 2:
        return a.add(r, step);
      case 3:
        return a.sub(r, step);
      case 4:
        return a.cmp(r, step);
      case 5:
        return a.cmp(r, general(reg(), bits));
      case 6:
        return a.test(r, r);
      case 7:
        return a.lea(general(n, 64), qword(general(n, 64), static_cast<u32>(step)));
      default:
        return rng.below(2) ? a.nop() : a.pause();
    }
  };
  for (u64 n = rng.below(5); n; --n) body();
  if (!rng.below(6)) a.mov(ebx, dword(Program::kDataAt));
  if (!rng.below(4))
    a.loop(a.base());
  else if (!rng.below(12))
    a.jmp(a.base());
  else
    a.jcc(static_cast<unsigned>(rng.below(16)), a.base());
  return a.hlt().bytes();
}

// Runs both to the limit; true if the program has halted.
bool run_both(Looping& fast, Looping& step, const Limit& limit) {
  Stop a = Stop::SliceEnd, b = Stop::SliceEnd;
  while (a == Stop::SliceEnd) a = fast.core.run(limit);
  while (b == Stop::SliceEnd) b = step.core.run(limit);
  REQUIRE(a == b);
  return a == Stop::Halted;
}

}  // namespace

TEST_CASE("random loops in random slices leave an observer the same last taken branches as step by step") {
  Rng rng(11);
  u64 advanced = 0;
  for (u64 seed = 1; seed <= 1000; ++seed) {
    CAPTURE(seed);
    const std::vector<u8> code = random_loop(rng);
    Looping fast(false, code, seed), step(true, code, seed);
    TakenRecorder few(rng.below(4) ? rng.below(40) : kNever), all;
    fast.core.attach(few);
    step.core.attach(all);
    for (int slices = 0; slices < 6; ++slices) {
      Limit limit;
      limit.instructions = 1 + (rng.below(3) ? rng.below(4000) : rng.below(30));
      const bool halted = run_both(fast, step, limit);
      check_same(fast, step);
      check_same_branches(few, all);
      if (halted) break;
    }
    advanced += all.told - few.told;
    fast.core.detach(few);
    step.core.detach(all);
  }
  CHECK(advanced > 10000);
}

TEST_CASE("random loops in random slices are the same in closed form and step by step") {
  Rng rng(7);
  unsigned ended = 0;
  const u64 loops = pmusim::test::repeated(3000, 300);
  for (u64 seed = 1; seed <= loops; ++seed) {
    CAPTURE(seed);
    const std::vector<u8> code = random_loop(rng);
    Looping fast(false, code, seed), step(true, code, seed);
    for (int slices = 0; slices < 6; ++slices) {
      Limit limit;
      const u64 size = rng.below(3) ? rng.below(4000) : rng.below(30);
      if (rng.below(2))
        limit.instructions = 1 + size;
      else
        limit.cycle = fast.timing.cycle() + 1 + size;
      const bool halted = run_both(fast, step, limit);
      check_same(fast, step);
      ended += halted && fast.count(Count::CondTaken) > 20;
      if (halted) break;
    }
  }
  CHECK(ended > loops / 10);  // by their own condition, after a closed form
}

TEST_CASE("a billion iterations of LOOP to itself count exactly and leave RCX 0") {
  Looping p(false, {0xe2, 0xfe, 0xf4}, 1);
  p.s.gpr[RCX] = 1000000000;
  p.run_to_halt();
  CHECK(p.s.gpr[RCX] == 0);
  CHECK(p.count(Count::Instructions) == 1000000001);
  CHECK(p.count(Count::CondTaken) == 999999999);
  CHECK(p.count(Count::CondNotTaken) == 1);
}

TEST_CASE("each kind of loop runs a huge number of iterations to its exact end") {
  struct Form {
    std::vector<u8> code;
    u64 start, iterations;
  };
  const u64 most = 0xffffffff;
  const Form forms[] = {
      {{0xff, 0xc8, 0x75, 0xfc, 0xf4}, 0, most + 1},                      // dec eax; jnz
      {{0x48, 0xff, 0xc8, 0x75, 0xfb, 0xf4}, most * 16, most * 16},       // dec rax; jnz
      {{0x83, 0xe8, 0x03, 0x75, 0xfb, 0xf4}, 1, 0xaaaaaaab},              // sub eax, 3; jnz: 3n = 1 mod 2^32
      {{0xff, 0xc0, 0x83, 0xf8, 0xff, 0x72, 0xf9, 0xf4}, 0, most},        // inc eax; cmp eax, -1; jb
      {{0x83, 0xc0, 0x02, 0x85, 0xc0, 0x79, 0xf9, 0xf4}, 0, 0x40000000},  // add eax, 2; test eax, eax; jns
      {{0xff, 0xc8, 0x79, 0xfc, 0xf4}, 0x7fffffff, 0x80000000},           // dec eax; jns
      {{0xff, 0xc8, 0x7f, 0xfc, 0xf4}, 0x7fffffff, 0x7fffffff},           // dec eax; jg
  };
  for (const Form& f : forms) {
    Looping p(false, f.code, 1);
    p.s.gpr[RAX] = f.start;
    CAPTURE(f.code.size());
    CAPTURE(f.start);
    p.run_to_halt();
    CHECK(p.count(Count::CondTaken) + p.count(Count::CondNotTaken) == f.iterations);
  }
}

TEST_CASE("a spin that waits for memory goes to its limit at once, and an observer sees every iteration") {
  struct Blocks : Observer {
    u64 seen = 0;
    u8 levels() const override { return kBlock; }
    void on_block(u64, unsigned) override { ++seen; }
  };
  // pause; cmp dword [data], 0; je
  const std::vector<u8> spin = {0xf3, 0x90, 0x83, 0x3c, 0x25, 0, 0, 0x20, 0, 0, 0x74, 0xf4, 0xf4};
  Looping p(false, spin, 1);
  CHECK(p.run(3000000000) == Stop::Limit);
  CHECK(p.count(Count::Loads) == 1000000000);
  p.put(Program::kDataAt, 1, 4);
  p.run_to_halt();
  CHECK(p.count(Count::CondNotTaken) == 1);
  Looping watched(false, spin, 1);
  Blocks observer;
  watched.core.attach(observer);
  CHECK(watched.run(3000) == Stop::Limit);
  CHECK(observer.seen == 1000);
  watched.core.detach(observer);
}

}  // namespace pmusim::core::test
