// SPDX-License-Identifier: Apache-2.0
// Counting, limits, faults, REP, code changes and observers of the run loop. Counting rules: SDM Vol. 3,
// "Pre-defined Architectural Performance Events", and arch/count.h.
#include <doctest/doctest.h>

#include <algorithm>

#include "base/rng.h"
#include "program.h"
#include "tests/support/sanitized.h"

namespace pmusim::core::test {
namespace {

// mov ecx, n; loop: loop $; hlt
std::vector<u8> loop_program(u32 n) {
  return {0xb9, static_cast<u8>(n), static_cast<u8>(n >> 8), static_cast<u8>(n >> 16), 0, 0xe2, 0xfe, 0xf4};
}

struct Recorder : Observer {
  explicit Recorder(u8 levels) : levels_(levels) {}
  u8 levels() const override { return levels_; }
  void on_block(u64, unsigned instructions) override {
    block_instructions += instructions;
    ++block_runs;
  }
  void on_branch(u64 from, u64 to, BranchKind, bool taken) override { branches.push_back({from, to, taken}); }
  void on_retire(u64 rip, unsigned) override { retired.push_back(rip); }
  void on_cycle(unsigned context, const CountVector& delta, u64 repeat) override {
    if (repeat > 1) CHECK(delta[static_cast<unsigned>(Count::Instructions)] == 0);
    for (unsigned k = 0; k < kCounts; ++k) sum.in(context)[k] += delta[k] * repeat;
    cycles += repeat;
  }
  struct Branch {
    u64 from, to;
    bool taken;
  };
  u8 levels_;
  u64 block_instructions = 0, block_runs = 0, cycles = 0;
  std::vector<Branch> branches;
  std::vector<u64> retired;
  EventCounts sum;
};

}  // namespace

TEST_CASE("LOOP retires as one instruction and one conditional branch, the last one not taken") {
  Program p;
  p.code(loop_program(1000));
  p.run_to_halt();
  CHECK(p.count(Count::Instructions) == 1002);
  CHECK(p.count(Count::CondTaken) == 999);
  CHECK(p.count(Count::CondNotTaken) == 1);
}

TEST_CASE("loads, stores and locked loads count one per memory operand access") {
  Program p;
  p.s.gpr[RSI] = Program::kDataAt;
  p.code({0x8b, 0x06,              // mov eax, [rsi]          load
          0x89, 0x06,              // mov [rsi], eax          store
          0x01, 0x06,              // add [rsi], eax          load + store
          0xf0, 0x01, 0x06,        // lock add [rsi], eax     locked load + store
          0x87, 0x06,              // xchg [rsi], eax         locked load + store
          0x6a, 0x01,              // push 1                  store
          0xff, 0x36,              // push [rsi]              load + store
          0x58,                    // pop rax                 load
          0x39, 0x06,              // cmp [rsi], eax          load
          0x8d, 0x06,              // lea eax, [rsi]
          0xe8, 0,    0,    0, 0,  // call $+5                store
          0x58,                    // pop rax                 load
          0x0f, 0x1f, 0x06,        // nop [rsi]
          0xf4});
  p.run_to_halt();
  CHECK(p.count(Count::Loads) == 8);
  CHECK(p.count(Count::Stores) == 7);
  CHECK(p.count(Count::LockedLoads) == 2);
  CHECK(p.count(Count::DirectCall) == 1);
  CHECK(p.count(Count::Instructions) == 14);
}

TEST_CASE("a fault retires the instructions before it and leaves RIP at the faulting one") {
  Program p;
  p.gate64(kPF, kCode64, 0x110000);
  p.gate64(kDE, kCode64, 0x110000);
  p.code({0xf4}, 0x110000);
  SUBCASE("page fault on a load: CR2 is the address") {
    p.code({0x90, 0x90, 0x48, 0xc7, 0xc0, 0, 0, 0x50, 0, 0x8b, 0x00, 0x90,
            0xf4});  // mov rax, 0x500000; mov eax, [rax]
    p.run_to_halt();
    CHECK(p.s.cr2 == 0x500000);
    CHECK(p.get(p.s.gpr[RSP] + 8) == Program::kCode + 9);
    CHECK(p.count(Count::Instructions) == 4);  // two NOPs, MOV, and the handler's HLT
    CHECK(p.count(Count::Loads) == 0);
  }
  SUBCASE("divide error") {
    p.code({0x31, 0xc9, 0xf7, 0xf1, 0xf4});  // xor ecx, ecx; div ecx
    p.run_to_halt();
    CHECK(p.get(p.s.gpr[RSP]) == Program::kCode + 2);
    CHECK((p.get(p.s.gpr[RSP] + 16) & kRF) != 0);
    CHECK(p.count(Count::Instructions) == 2);
  }
  SUBCASE("a push that faults leaves RSP") {
    p.s.gpr[RSP] = 0x500004;
    p.code({0x50, 0xf4});
    Limit one;
    one.instructions = 1;
    p.core.run(one);
    CHECK(p.s.activity == Activity::Shutdown);  // the handler's frame faults as well
    CHECK(p.s.gpr[RSP] == 0x500004);
  }
}

TEST_CASE("an instruction limit stops exactly there, inside blocks too") {
  for (u64 limit = 1; limit <= 12; ++limit) {
    Program p;
    p.code({0x90, 0x90, 0x90, 0xff, 0xc0, 0xff, 0xc0, 0xe2, 0xf7, 0xf4});  // 3 NOPs, 2 INC EAX, LOOP
    p.s.gpr[RCX] = 100;
    CHECK(p.run(limit) == Stop::Limit);
    CHECK(p.count(Count::Instructions) == limit);
    CHECK(p.timing.slot() == limit);
    CHECK(p.s.gpr[RAX] == limit / 6 * 2 + (limit % 6 >= 5 ? 2 : limit % 6 == 4 ? 1 : 0));
  }
}

TEST_CASE("a cycle limit stops with the clock exactly at it") {
  Program p;
  p.code(loop_program(100000));
  for (const u64 cycle : {1, 2, 7, 100}) {
    Limit limit;
    limit.cycle = cycle;
    CHECK(p.core.run(limit) == Stop::Limit);
    CHECK(p.timing.cycle() == cycle);
    CHECK(p.count(Count::Instructions) == cycle * 4);
    CHECK(p.count(Count::Cycles) == cycle);
    CHECK(p.count(Count::Slots) == cycle * 4);
  }
  Limit past;
  past.cycle = 100;
  CHECK(p.core.run(past) == Stop::Limit);
  CHECK(p.count(Count::Instructions) == 400);
}

TEST_CASE("REP is one instruction with a store and a slot per iteration, resumable at every limit") {
  Program p;
  p.s.gpr[RDI] = Program::kDataAt;
  p.s.gpr[RCX] = 100;
  p.s.gpr[RAX] = 0x5a;
  p.code({0xf3, 0xaa, 0xf4});
  CHECK(p.run(30) == Stop::Limit);
  CHECK(p.s.rip == Program::kCode);
  CHECK(p.s.gpr[RCX] == 70);
  CHECK(p.s.gpr[RDI] == Program::kDataAt + 30);
  CHECK((p.s.rflags & kRF) != 0);
  CHECK(p.count(Count::Instructions) == 0);
  CHECK(p.count(Count::Stores) == 30);
  CHECK(p.timing.slot() == 30);
  CHECK(p.run(69) == Stop::Limit);
  CHECK(p.count(Count::Instructions) == 0);
  CHECK(p.run(1) == Stop::Limit);
  CHECK(p.count(Count::Instructions) == 1);
  CHECK(p.s.rip == Program::kCode + 2);
  CHECK((p.s.rflags & kRF) == 0);
  CHECK(p.timing.slot() == 100);
  CHECK(p.memory[Program::kDataAt + 99] == 0x5a);
  CHECK(p.memory[Program::kDataAt + 100] == 0);
}

TEST_CASE("REP with a count of zero retires and takes one slot") {
  Program p;
  p.code({0xf3, 0xaa, 0xf4});
  CHECK(p.run(1) == Stop::Limit);
  CHECK(p.count(Count::Instructions) == 1);
  CHECK(p.count(Count::Stores) == 0);
  CHECK(p.timing.slot() == 1);
}

TEST_CASE("a fault in a REP iteration keeps the finished iterations and does not retire") {
  Program p;
  p.gate64(kPF, kCode64, 0x110000);
  p.code({0xf4}, 0x110000);
  p.s.gpr[RDI] = Machine::kSize - 5;  // the page after the last is not mapped
  p.s.gpr[RCX] = 100;
  p.code({0xf3, 0xaa, 0xf4});
  p.run_to_halt();
  CHECK(p.s.gpr[RCX] == 95);
  CHECK(p.s.gpr[RDI] == Machine::kSize);
  CHECK(p.s.cr2 == Machine::kSize);
  CHECK(p.count(Count::Stores) == 5);
  CHECK(p.count(Count::Instructions) == 1);  // the handler's HLT
}

TEST_CASE("REPE CMPS and REPNE SCAS stop at the first difference and match") {
  Program p;
  for (int i = 0; i < 16; ++i)
    p.memory[Program::kDataAt + i] = p.memory[Program::kDataAt + 256 + i] = static_cast<u8>(i + 1);
  p.memory[Program::kDataAt + 256 + 9] = 0;
  p.s.gpr[RSI] = Program::kDataAt;
  p.s.gpr[RDI] = Program::kDataAt + 256;
  p.s.gpr[RCX] = 16;
  p.code({0xf3, 0xa6, 0xf4});
  p.run_to_halt();
  CHECK(p.s.gpr[RCX] == 6);
  CHECK((p.s.rflags & kZF) == 0);
  CHECK(p.count(Count::Loads) == 20);
  p.s.activity = Activity::Running;
  p.s.rip = Program::kCode + 16;
  p.s.gpr[RDI] = Program::kDataAt;
  p.s.gpr[RCX] = 100;
  p.s.gpr[RAX] = 5;
  p.code({0xf2, 0xae, 0xf4}, Program::kCode + 16);
  p.run_to_halt();
  CHECK(p.s.gpr[RCX] == 95);
  CHECK((p.s.rflags & kZF) != 0);
}

TEST_CASE("code that writes ahead of itself in its own block executes the new bytes") {
  Program p;
  // mov byte [rip + 1], 0xc1 changes "inc eax" (ff c0) after it into "inc ecx" (ff c1).
  p.code({0x90, 0xc6, 0x05, 0x01, 0, 0, 0, 0xc1, 0xff, 0xc0, 0xf4});
  p.run_to_halt();
  CHECK(p.s.gpr[RAX] == 0);
  CHECK(p.s.gpr[RCX] == 1);
  CHECK(p.count(Count::Instructions) == 4);
}

TEST_CASE("code that was executed and then rewritten from outside is decoded again") {
  Program p;
  p.code({0xff, 0xc0, 0xf4});
  p.run_to_halt();
  p.code({0xff, 0xc1, 0xf4});
  p.s.rip = Program::kCode;
  p.s.activity = Activity::Running;
  p.run_to_halt();
  CHECK(p.s.gpr[RAX] == 1);
  CHECK(p.s.gpr[RCX] == 1);
}

TEST_CASE("an instruction that straddles pages executes, and again after either page changes") {
  Program p;
  const u64 at = Program::kCode + kPageSize - 2;  // mov eax, imm32 with two bytes in the first page
  p.code({0xb8, 0x78, 0x56, 0x34, 0x12, 0xf4}, at);
  p.start(at);
  p.run_to_halt();
  CHECK(p.s.gpr[RAX] == 0x12345678);
  p.code({0x99}, at + 4);
  p.s.rip = at;
  p.s.activity = Activity::Running;
  p.run_to_halt();
  CHECK(p.s.gpr[RAX] == 0x99345678);
}

TEST_CASE("STI shields one instruction and then ends the slice") {
  Program p;
  p.code({0xfb, 0x90, 0x90, 0xf4});
  CHECK(p.core.run({}) == Stop::SliceEnd);
  CHECK(p.s.interrupt_shadow);
  CHECK(!p.core.can_take_interrupt());
  CHECK(p.core.run({}) == Stop::SliceEnd);
  CHECK(p.s.rip == Program::kCode + 2);
  CHECK(p.core.can_take_interrupt());
}

TEST_CASE("TF raises #DB after each instruction with the next RIP") {
  Program p;
  p.gate64(kDB, kCode64, 0x110000);
  p.code({0xf4}, 0x110000);
  p.code({0x90, 0x90, 0xf4});
  p.s.rflags |= kTF;
  p.run_to_halt();
  CHECK(p.get(p.s.gpr[RSP]) == Program::kCode + 1);
  CHECK((p.s.dr[6] >> 14 & 1) == 1);
  CHECK((p.s.rflags & kTF) == 0);
}

TEST_CASE("the PMU sees counts as of before WRMSR and RDPMC, which then retire themselves") {
  struct Env : FakeEnv {
    Core* core = nullptr;
    u64 at_write = 0, at_read = 0;
    u64 now() const { return core->counts()[0][static_cast<unsigned>(Count::Instructions)]; }
    bool wrmsr(u32, u64) override { return at_write = now(), true; }
    bool rdpmc(u32, u64&) override { return at_read = now(), true; }
  };
  Program p;
  Env env;
  FunctionalTiming timing(4);
  Core core(p.ram, env, timing);
  env.core = &core;
  core.set_state(&p.s);
  p.s.gpr[RCX] = 0x38f;
  p.code({0x90, 0x90, 0x0f, 0x30, 0x90, 0x0f, 0x33, 0xf4});
  CHECK(core.run({}) == Stop::SliceEnd);
  CHECK(env.at_write == 2);
  CHECK(core.run({}) == Stop::SliceEnd);
  CHECK(env.at_read == 4);
  CHECK(core.run({}) == Stop::Halted);
  CHECK(env.now() == 6);
}

TEST_CASE("a memory-mapped access sees counts of the instructions before it and ends the slice") {
  struct Env : FakeEnv {
    Core* core = nullptr;
    u64 seen = 0;
    u64 mmio_read(u64, unsigned) override {
      return seen = core->counts()[0][static_cast<unsigned>(Count::Instructions)], 0x77;
    }
  };
  Program p;
  Env env;
  FunctionalTiming timing(4);
  Core core(p.ram, env, timing);
  env.core = &core;
  core.set_state(&p.s);
  p.map(0x600000, 0xfee00000, Machine::kP | Machine::kW);
  p.code({0x90, 0x90, 0x8b, 0x04, 0x25, 0, 0, 0x60, 0, 0x90, 0xf4});
  CHECK(core.run({}) == Stop::SliceEnd);
  CHECK(env.seen == 2);
  CHECK(p.s.gpr[RAX] == 0x77);
  CHECK(p.s.rip == Program::kCode + 9);
  CHECK(core.counts()[0][static_cast<unsigned>(Count::Instructions)] == 3);
}

TEST_CASE("an unimplemented instruction is a located error, an undefined one #UD") {
  Program p;
  p.code({0x90, 0xd9, 0xfe, 0xf4});  // fsin
  try {
    p.core.run({});
    FAIL("expected Unimplemented");
  } catch (const Unimplemented& e) {
    CHECK(e.rip == Program::kCode + 1);
    CHECK(std::string(e.what()).find("fsin") != std::string::npos);
    CHECK(std::string(e.what()).find("d9 fe") != std::string::npos);
  }
  CHECK(p.count(Count::Instructions) == 1);
  p.gate64(kUD, kCode64, 0x110000);
  p.code({0xf4}, 0x110000);
  for (const std::vector<u8>& bytes :
       {std::vector<u8>{0x0f, 0x0b}, {0xf0, 0x90}, {0x06}, {0xf0, 0x8b, 0x06}}) {
    p.code(bytes);
    p.start();
    p.s.gpr[RSP] = Machine::kStack;
    p.s.activity = Activity::Running;
    p.run_to_halt();
    CHECK(p.get(p.s.gpr[RSP]) == Program::kCode);
  }
}

TEST_CASE("observers see every retirement, branch and cycle, and change neither counts nor time") {
  const std::vector<u8> code = {0xb9, 10,   0,    0,    0,    0x89, 0x06, 0xff, 0xc0,
                                0x0f, 0xae, 0xf0, 0xe2, 0xf7, 0xf3, 0xaa, 0xf4};
  EventCounts plain;
  u64 time = 0;
  for (const u8 levels : {0, 1, 2, 4, 8, 15}) {
    Program p;
    p.config.costs.cycles[static_cast<unsigned>(Cost::Fence)] = 7;
    p.start();
    p.s.gpr[RSI] = p.s.gpr[RDI] = Program::kDataAt;
    p.code(code);
    Recorder r(levels);
    p.core.attach(r);
    p.run_to_halt();
    if (levels == 0) {
      plain = p.core.counts();
      time = p.timing.slot();
    }
    CHECK(p.core.counts() == plain);
    CHECK(p.timing.slot() == time);
    const u64 instructions = p.count(Count::Instructions);
    CHECK(instructions == 43);
    if (levels & Observer::kRetire) CHECK(r.retired.size() == instructions);
    if (levels & Observer::kBranch) CHECK(r.branches.size() == 10);
    if (levels & Observer::kCycle) {
      CHECK(r.cycles == p.count(Count::Cycles));
      CHECK(r.sum[0][static_cast<unsigned>(Count::Slots)] == p.count(Count::Slots));
      // What retires in the last, incomplete cycle has not been reported.
      CHECK(r.sum[0][static_cast<unsigned>(Count::Instructions)] + 4 > instructions);
    }
  }
}

TEST_CASE("a detached observer is not called, and one of blocks sees every instruction without stepping") {
  Program p;
  // mov ecx, 100; inc eax; loop; mov cl, 5; rep stosb; nop; ud2, whose handler halts
  p.code({0xb9, 100, 0, 0, 0, 0xff, 0xc0, 0xe2, 0xfc, 0xb1, 5, 0xf3, 0xaa, 0x90, 0x0f, 0x0b});
  p.gate64(kUD, kCode64, 0x110000);
  p.code({0xf4}, 0x110000);
  Recorder all(15), blocks(Observer::kBlock);
  p.core.attach(all);
  p.core.detach(all);
  p.core.attach(blocks);
  p.start();
  p.s.gpr[RSP] = Machine::kStack;
  p.s.gpr[RDI] = Program::kDataAt;
  p.run_to_halt();
  CHECK(all.retired.empty());
  CHECK(all.branches.empty());
  CHECK(all.cycles == 0);
  CHECK(p.count(Count::Instructions) == 1 + 200 + 2 + 1 + 1);
  CHECK(blocks.block_instructions == p.count(Count::Instructions));
  CHECK(blocks.block_runs < 110);  // whole blocks, not instructions
}

TEST_CASE("stepping gives the same state, counts and time as blocks on random programs") {
  for (u64 seed = 1; seed <= pmusim::test::repeated(60, 8); ++seed) {
    Rng rng(seed);
    std::vector<u8> code;
    for (int i = 0; i < 60; ++i) {
      static const std::vector<std::vector<u8>> pieces = {{0x48, 0x01, 0xd8},
                                                          {0x29, 0xd0},
                                                          {0x48, 0x11, 0xc8},
                                                          {0x31, 0xc2},
                                                          {0xff, 0xc0},
                                                          {0x48, 0xff, 0xca},
                                                          {0x48, 0x89, 0x06},
                                                          {0x48, 0x8b, 0x46, 0x08},
                                                          {0x48, 0x01, 0x46, 0x10},
                                                          {0xf0, 0x48, 0x0f, 0xc1, 0x06},
                                                          {0x50},
                                                          {0x58},
                                                          {0x74, 0x02},
                                                          {0x72, 0x03},
                                                          {0x0f, 0x94, 0xc2},
                                                          {0x48, 0x0f, 0x42, 0xc3},
                                                          {0xf7, 0xf3},
                                                          {0x48, 0xd1, 0xe0},
                                                          {0x48, 0xc1, 0xf8, 0x05},
                                                          {0xd3, 0xc0},
                                                          {0x0f, 0xa2},
                                                          {0x0f, 0xae, 0xf0},
                                                          {0xf3, 0xaa},
                                                          {0xf3, 0x48, 0xa5},
                                                          {0x0f, 0x0b},
                                                          {0x9c},
                                                          {0x90},
                                                          {0xe8, 0, 0, 0, 0},
                                                          {0x83, 0xe1, 0x1f},
                                                          {0x89, 0x3d, 0x04, 0, 0, 0},
                                                          {0x0f, 0xaf, 0xc2}};
      const auto& piece = pieces[rng.below(pieces.size())];
      code.insert(code.end(), piece.begin(), piece.end());
    }
    for (int i = 0; i < 8; ++i) code.push_back(0x90);
    code.push_back(0xf4);
    struct Result {
      CpuState s;
      EventCounts counts;
      u64 time;
      std::vector<u8> memory;
    };
    std::vector<Result> results;
    for (int way = 0; way < 4; ++way) {
      Program p;
      p.config.costs.cycles[static_cast<unsigned>(Cost::Fence)] = 9;
      p.config.costs.cycles[static_cast<unsigned>(Cost::Cpuid)] = 100;
      p.config.costs.cycles[static_cast<unsigned>(Cost::Exception)] = 31;
      p.start();
      p.core.set_clocks({3, 2}, {1, 7});
      // #UD and #DE handlers skip two bytes; #PF ends the program.
      for (const u8 v : {kUD, kDE}) p.gate64(v, kCode64, 0x110000);
      p.gate64(kPF, kCode64, 0x110100);
      p.gate64(kGP, kCode64, 0x110100);
      p.code({0x48, 0x83, 0x04, 0x24, 0x02, 0x48, 0xcf}, 0x110000);
      p.code({0xf4}, 0x110100);
      p.code(code);
      p.s.gpr[RAX] = seed * 77;
      p.s.gpr[RBX] = 3;
      p.s.gpr[RCX] = 9;
      p.s.gpr[RSI] = Program::kDataAt;
      p.s.gpr[RDI] = Program::kDataAt + 0x100;
      p.core.set_step(way == 1);
      constexpr u64 kEnd = 10000;  // cycles; some programs never halt
      Stop stop = Stop::SliceEnd;
      Rng limits(seed);
      while (p.timing.cycle() < kEnd && stop != Stop::Halted && stop != Stop::Shutdown) {
        Limit limit;
        limit.cycle = kEnd;
        if (way == 2) limit.instructions = 1 + limits.below(9);
        if (way == 3) limit.cycle = std::min(kEnd, p.timing.cycle() + 1 + limits.below(5));
        try {
          stop = p.core.run(limit);
        } catch (const Unimplemented&) {
          stop = Stop::Shutdown;  // a jump into the middle of something; the same in every way
        }
      }
      results.push_back({p.s, p.core.counts(), p.timing.slot(), p.memory});
    }
    for (int way = 1; way < 4; ++way) {
      CAPTURE(seed);
      CAPTURE(way);
      CHECK(std::memcmp(results[0].s.gpr, results[way].s.gpr, sizeof(results[0].s.gpr)) == 0);
      CHECK(results[0].s.rip == results[way].s.rip);
      CHECK(results[0].s.rflags == results[way].s.rflags);
      CHECK(results[0].s.activity == results[way].s.activity);
      CHECK(results[0].counts == results[way].counts);
      CHECK(results[0].time == results[way].time);
      CHECK(results[0].memory == results[way].memory);
    }
  }
}

}  // namespace pmusim::core::test
