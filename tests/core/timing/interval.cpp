// SPDX-License-Identifier: Apache-2.0
// The interval timing's pipeline on small loops: expectations are the configuration's own widths and
// latencies (a simulated core that does not show them does not mean them).
#include <doctest/doctest.h>

#include <algorithm>

#include "base/rng.h"
#include "core/timing/interval.h"
#include "tests/core/program.h"

namespace pmusim::core::test {
namespace {

TimingConfig small_core() {
  TimingConfig c;
  c.pipeline.width = 4;
  c.pipeline.retire_width = 4;
  c.pipeline.alu_ports = 4;
  return c;
}

struct Timed : Machine {
  static constexpr u64 kCode = 0x100000, kDataAt = 0x200000;
  IntervalTiming interval;
  Core core;

  explicit Timed(const TimingConfig& c = small_core()) : interval(c), core(ram, env, interval) {
    long_mode();
    s.rip = kCode;
    core.configure(config);
    core.set_state(&s);
  }
  void run_to_halt() {
    Stop stop = Stop::SliceEnd;
    for (int i = 0; i < 100000 && stop == Stop::SliceEnd; ++i) stop = core.run({});
    REQUIRE(stop == Stop::Halted);
  }
  u64 count(Count kind) const {
    u64 sum = 0;
    for (const CountVector& v : core.counts()) sum += v[static_cast<unsigned>(kind)];
    return sum;
  }
};

using Bytes = std::vector<u8>;
Bytes operator*(const Bytes& piece, int times) {
  Bytes all;
  for (int i = 0; i < times; ++i) all.insert(all.end(), piece.begin(), piece.end());
  return all;
}
Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

const Bytes kAddChain = {0x48, 0x83, 0xc0, 0x01};  // add rax, 1
const Bytes kAddFour = {0x48, 0x83, 0xc0, 0x01, 0x48, 0x83, 0xc3, 0x01,
                        0x48, 0x83, 0xc6, 0x01, 0x48, 0x83, 0xc7, 0x01};  // to rax, rbx, rsi, rdi
const Bytes kImul = {0x48, 0x0f, 0xaf, 0xc0};                             // imul rax, rax
const Bytes kChase = {0x48, 0x8b, 0x00};                                  // mov rax, [rax]
const Bytes kDivide = {0x31, 0xd2, 0xf7, 0xf3};                           // xor edx, edx; div ebx

// mov ecx, n; body; dec ecx; jnz body; hlt
Bytes loop(u32 n, const Bytes& body) {
  Bytes code = {0xb9, static_cast<u8>(n), static_cast<u8>(n >> 8), static_cast<u8>(n >> 16), 0};
  code = code + body + Bytes{0xff, 0xc9, 0x0f, 0x85};
  const u32 back = static_cast<u32>(-static_cast<s32>(body.size() + 8));
  for (int i = 0; i < 4; ++i) code.push_back(static_cast<u8>(back >> (8 * i)));
  code.push_back(0xf4);
  return code;
}

// Cycles per iteration of a body, with what comes before and after it taken out.
u64 cycles_of(const Bytes& body, u32 n = 1000, const TimingConfig& c = small_core(), u64 rax = 0) {
  u64 cycles[2];
  for (const unsigned twice : {0u, 1u}) {
    Timed t(c);
    const Bytes code = loop(n << twice, body);
    t.ram.write(Timed::kCode, code.data(), code.size());
    t.s.gpr[RAX] = rax;
    t.s.gpr[RBX] = 7;
    t.put(Timed::kDataAt, Timed::kDataAt);
    t.run_to_halt();
    cycles[twice] = t.interval.cycle();
  }
  return (cycles[1] - cycles[0] + n / 2) / n;
}

}  // namespace

TEST_CASE("dependent additions take a cycle each, independent ones the width") {
  CHECK(cycles_of(kAddChain * 40) == 40);
  // With the loop's own two instructions: 41 cycles of four slots, and one more behind the taken branch.
  const u64 four = cycles_of(kAddFour * 40);
  CHECK(four >= 40);
  CHECK(four <= 42);
}

TEST_CASE(
    "a NOP and what follows it take one slot where the part fuses them, as do a comparison and its jump") {
  TimingConfig c = small_core();
  const u64 apart = cycles_of(Bytes{0x90} * 78, 1000, c);
  CHECK(apart == 20);  // 80 instructions, four a cycle
  c.pipeline.nop_fusion = 1;
  CHECK(cycles_of(Bytes{0x90} * 78, 1000, c) == 10);  // 39 pairs, DEC and JNZ
  c.pipeline.branch_fusion = 1;
  // cmp eax, ebx; jz +0 (not taken)
  const Bytes compare = {0x39, 0xd8, 0x74, 0x00};
  c.pipeline.nop_fusion = 0;
  CHECK(cycles_of(compare * 39, 1000, c, 1) == 10);
  c.pipeline.branch_fusion = 0;
  CHECK(cycles_of(compare * 39, 1000, c, 1) == 20);
}

TEST_CASE("taken branches pass at the part's number per cycle, and bubbles show where nothing hides them") {
  TimingConfig c = small_core();
  const Bytes jumps = Bytes{0xeb, 0x0e} + Bytes{0x90} * 14;  // jmp to the next 16 bytes
  CHECK(cycles_of(jumps * 31, 1000, c) == 32);
  c.pipeline.taken_branches = 2;
  CHECK(cycles_of(jumps * 31, 1000, c) == 16);
  c.pipeline.taken_branches = 1;
  c.predictor.near_entries = 256;
  c.predictor.far_bubbles = 3;
  CHECK(cycles_of(jumps * 31, 1000, c) == 32);
  // call $+5+1; nop; lea esp, [rsp+8]: calls, but nothing that returns.
  const Bytes call = Bytes{0xe8, 1, 0, 0, 0, 0x90, 0x48, 0x8d, 0x64, 0x24, 0x08} + Bytes{0x90} * 5;
  const u64 free = cycles_of(call * 15, 1000, c);
  c.predictor.call_bubbles = 2;
  CHECK(cycles_of(call * 15, 1000, c) == 15 * 3 + 1);
  CHECK(free <= 32);
  // Behind a chain of additions that takes longer, prediction is ahead.
  const u64 chain = cycles_of((call + kAddChain * 4) * 15, 1000, c);
  CHECK(chain <= 15 * 4 + 2);
}

TEST_CASE("a chain of multiplications takes its latency each") {
  CHECK(cycles_of(kImul * 20) == 20 * small_core().pipeline.multiply_latency);
}

TEST_CASE("a pointer chase in the L1 takes the load-to-use latency each") {
  TimingConfig c = small_core();
  c.memory.l1d.latency = 5;
  CHECK(cycles_of(kChase * 20, 1000, c, Timed::kDataAt) == 100);
}

TEST_CASE(
    "independent divisions follow one another at the divider's interval, dependent ones at its latency") {
  const PipelineConfig p = small_core().pipeline;
  const Bytes reload = {0xb8, 0x40, 0, 0, 0};  // mov eax, 64
  CHECK(cycles_of((reload + kDivide) * 10) == 10 * p.divide_interval);
  CHECK(cycles_of(kDivide * 10) == 10 * p.divide_latency);
}

TEST_CASE("a mispredicted branch costs the penalty, a predicted one does not") {
  // A branch on the low bit of a linear congruential sequence's high half cannot be learned.
  const Bytes random = {0x69, 0xc0, 0x0d, 0x66, 0x19, 0x00,   // imul eax, eax, 1664525
                        0x05, 0x5f, 0xf3, 0x6e, 0x3c,         // add eax, 1013904223
                        0x89, 0xc2, 0xc1, 0xea, 0x1e,         // mov edx, eax; shr edx, 30
                        0x83, 0xe2, 0x01, 0x74, 0x01, 0x90};  // and edx, 1; jz +1; nop
  TimingConfig cheap = small_core(), dear = small_core();
  cheap.pipeline.mispredict_penalty = 10;
  dear.pipeline.mispredict_penalty = 50;
  u64 cycles[2], mispredicts[2];
  for (const unsigned i : {0u, 1u}) {
    Timed t(i ? dear : cheap);
    const Bytes code = loop(2000, random);
    t.ram.write(Timed::kCode, code.data(), code.size());
    t.run_to_halt();
    cycles[i] = t.interval.cycle();
    mispredicts[i] = t.count(Count::MispCondTaken) + t.count(Count::MispCondNotTaken);
  }
  CHECK(mispredicts[0] == mispredicts[1]);
  CHECK(mispredicts[0] > 400);
  CHECK(mispredicts[0] < 1400);
  const u64 each = (cycles[1] - cycles[0]) / mispredicts[0];
  CHECK(each >= 35);
  CHECK(each <= 40);

  Timed t;
  const Bytes code = loop(2000, kAddChain);
  t.ram.write(Timed::kCode, code.data(), code.size());
  t.run_to_halt();
  CHECK(t.count(Count::MispCondTaken) + t.count(Count::MispCondNotTaken) <= 20);
}

TEST_CASE("misses overlap as far as the reorder buffer reaches") {
  TimingConfig c = small_core();
  c.memory.stride_lookahead = c.memory.stream_distance = 0;
  c.memory.fill_buffers = 64;
  c.memory.l2_buffers = 64;
  // Loads of every fifth line, never again: add rsi, 320; mov rdx, [rsi]
  const Bytes load = {0x48, 0x81, 0xc6, 0x40, 0x01, 0, 0, 0x48, 0x8b, 0x16};
  const auto cycles = [&](u32 rob) {
    c.pipeline.rob = rob;
    Timed t(c);
    const Bytes code = loop(30, load * 8);
    t.ram.write(Timed::kCode, code.data(), code.size());
    t.s.gpr[RSI] = 0x200000;
    t.run_to_halt();
    return t.interval.cycle();
  };
  const u64 wide = cycles(512), narrow = cycles(16);
  CHECK(narrow > 3 * wide);
}

TEST_CASE("every slot is accounted to one top-down kind, and they add up to width times cycles") {
  Timed t;
  const Bytes fence = {0x0f, 0xae, 0xf0}, point = {0xb8, 0, 0, 0x20, 0};  // mov eax, data
  const Bytes code = loop(500, point + kChase + kAddFour * 2 + fence);
  t.ram.write(Timed::kCode, code.data(), code.size());
  t.config.costs.cycles[static_cast<unsigned>(Cost::Fence)] = 100;
  t.core.configure(t.config);
  t.put(Timed::kDataAt, Timed::kDataAt);
  t.run_to_halt();
  u64 slots = 0;
  for (CountMask kinds = kTopdownCounts; kinds;) slots += t.count(take_lowest(kinds));
  CHECK(slots == t.count(Count::Slots));
  CHECK(t.count(Count::Slots) == 4 * t.interval.cycle());
  CHECK(t.count(Count::SlotsRetiring) <= t.count(Count::Instructions));
  CHECK(t.count(Count::SlotsRetiring) + 8 >= t.count(Count::Instructions));
  CHECK(t.count(Count::SlotsCore) > t.count(Count::SlotsRetiring));  // MFENCE drains
}

TEST_CASE(
    "a load right behind a store of the same bytes takes the forwarding latency, part of it waits longer") {
  TimingConfig c = small_core();
  c.pipeline.store_forward_latency = 6;
  const Bytes through = {0x48, 0x89, 0x06, 0x48, 0x8b, 0x06};  // mov [rsi], rax; mov rax, [rsi]
  const Bytes wider = {0x88, 0x06, 0x48, 0x8b, 0x06};          // mov [rsi], al; mov rax, [rsi]
  const Bytes point = {0xbe, 0, 0, 0x20, 0};                   // mov esi, data
  const u64 forwarded = cycles_of(point + through * 10, 500, c),
            blocked = cycles_of(point + wider * 10, 500, c);
  CHECK(forwarded == 60);
  CHECK(blocked >= 10 * c.pipeline.store_forward_blocked_penalty);
}

TEST_CASE("a store to code that is executing clears the pipeline") {
  Timed t;
  // lea rsi, [rip]; mov byte [rsi+32], 0x90; 25 nops; hlt
  const Bytes code =
      Bytes{0x48, 0x8d, 0x35, 0, 0, 0, 0, 0xc6, 0x46, 0x20, 0x90} + Bytes{0x90} * 40 + Bytes{0xf4};
  t.ram.write(Timed::kCode, code.data(), code.size());
  t.run_to_halt();
  CHECK(t.count(Count::SmcClears) == 1);
  CHECK(t.count(Count::SlotsClear) > 0);
}

TEST_CASE("a loop in closed form leaves the time, the counts and the state that its iterations leave") {
  const Bytes loop_itself = {0xe2, 0xfe};                                 // loop $
  const Bytes counts = {0x83, 0xc0, 0x03, 0x90, 0xff, 0xc9, 0x75, 0xf8};  // add eax, 3; nop; dec ecx; jnz
  const Bytes chain = {0x48, 0x83, 0xe9, 0x01, 0x90, 0x90, 0x48, 0x85, 0xc9, 0x75, 0xf5};  // sub, test, jnz
  for (const Bytes& body : {loop_itself, counts, chain}) {
    std::vector<u64> state[3];
    EventCounts counted[3];
    CpuState registers[3];
    for (const unsigned way : {0u, 1u, 2u}) {
      Timed t;
      const Bytes code = Bytes{0xb9, 0xe0, 0x93, 0x04, 0} + body + Bytes{0xf4};  // 300000 times
      t.ram.write(Timed::kCode, code.data(), code.size());
      t.core.set_step(way == 1);
      Rng rng(5);
      Stop stop = Stop::SliceEnd;
      while (stop != Stop::Halted) {
        Limit limit;
        if (way == 2 && rng.below(2)) limit.cycle = t.interval.cycle() + 1 + rng.below(70000);
        if (way == 2) limit.instructions = 1 + rng.below(300000);
        stop = t.core.run(limit);
      }
      state[way] = t.interval.save();
      counted[way] = t.core.counts();
      registers[way] = t.s;
    }
    for (const unsigned way : {1u, 2u}) {
      CAPTURE(way);
      CHECK(state[way] == state[0]);
      CHECK(counted[way] == counted[0]);
      CHECK(registers[way].rip == registers[0].rip);
      CHECK(registers[way].rflags == registers[0].rflags);
      CHECK(std::equal(registers[0].gpr, registers[0].gpr + 16, registers[way].gpr));
    }
  }
}

// PAUSE and LEA come before the instruction that sets the flags: a stop between finds the iteration before's.
TEST_CASE("a loop in closed form stops at every limit where its iterations stop, in the same state") {
  const Bytes counts = {0xff, 0xc9, 0x75, 0xfc};                                   // dec ecx; jnz
  const Bytes pause = {0xf3, 0x90, 0xff, 0xc9, 0x75, 0xfa};                        // pause; dec ecx; jnz
  const Bytes lea = {0x8d, 0x49, 0xff, 0x83, 0xc0, 0x01, 0x85, 0xc9, 0x75, 0xf6};  // lea, add, test, jnz
  for (const Bytes& body : {counts, pause, lea}) {
    Timed t[2];
    const Bytes code = Bytes{0xb9, 0x40, 0x9c, 0, 0} + body + Bytes{0xf4};  // 40000 times
    for (Timed& each : t) each.ram.write(Timed::kCode, code.data(), code.size());
    t[1].core.set_step(true);
    Rng rng(11);
    Stop stop = Stop::SliceEnd;
    for (unsigned slice = 0; stop != Stop::Halted; ++slice) {
      Limit limit;
      // Cycle by cycle around the iterations that are compared, then at random.
      limit.cycle = t[0].interval.cycle() + (slice < 600 ? 1 + rng.below(2) : 1 + rng.below(9000));
      if (slice >= 600 && rng.below(2)) limit.instructions = 1 + rng.below(20000);
      stop = t[0].core.run(limit);
      const Stop stepped = t[1].core.run(limit);
      CAPTURE(slice);
      REQUIRE(stop == stepped);
      REQUIRE(t[0].interval.cycle() == t[1].interval.cycle());
      REQUIRE(t[0].s.rip == t[1].s.rip);
      REQUIRE(t[0].s.rflags == t[1].s.rflags);
      REQUIRE(std::equal(t[0].s.gpr, t[0].s.gpr + 16, t[1].s.gpr));
    }
    CHECK(t[0].core.counts() == t[1].core.counts());
    CHECK(t[0].interval.save() == t[1].interval.save());
  }
}

TEST_CASE("saved and restored timing goes on alike") {
  const Bytes code = loop(300, Bytes{0xb8, 0, 0, 0x20, 0} + kChase + kAddFour);  // mov eax, data
  std::vector<u64> last[2];
  for (const bool restored : {false, true}) {
    Timed t;
    t.ram.write(Timed::kCode, code.data(), code.size());
    t.put(Timed::kDataAt, Timed::kDataAt);
    Limit limit;
    limit.instructions = 700;
    t.core.run(limit);
    if (restored) {
      const std::vector<u64> state = t.interval.save();
      t.interval.stall(1000);
      t.interval.restore(state);
      CHECK(t.interval.save() == state);
    }
    t.run_to_halt();
    last[restored] = t.interval.save();
  }
  CHECK(last[0] == last[1]);
}

}  // namespace pmusim::core::test
