// SPDX-License-Identifier: Apache-2.0
// Counters of a core that runs in short pieces are taken in only where one may have wrapped, and a wrap is
// never seen late.
#include "harness.h"

using namespace pmusim;
using namespace pmusim::test;

namespace {
// A counter of instructions (INT set) that wraps after `distance` of them.
void sample_after(Bench& b, u64 distance) {
  CHECK(b.wr(0xc1, (u32) - static_cast<s64>(distance)));
  CHECK(b.wr(0x186, kInstructions | kUsr | kOs | kInt | kEn));
  CHECK(b.wr(0x38f, 1));
}
void run(Bench& b, u64 instructions, u64 cycle) {
  b.count(Count::Instructions, instructions);
  b.pmu.ran(instructions, cycle);
}
}  // namespace

TEST_CASE("a counter wraps in the piece that reaches its limit, neither before nor after") {
  Bench b("spr");
  sample_after(b, 10);
  CHECK(b.pmu.reach(0).instructions == 10);
  run(b, 4, 1);
  CHECK(b.pmu.reach(1).instructions == 6);
  run(b, 5, 2);
  CHECK(b.pmis == 0);
  CHECK(b.pmu.reach(2).instructions == 1);
  run(b, 1, 3);
  CHECK(b.pmis == 1);
  CHECK(b.overflows == std::vector<unsigned>{0});
}

TEST_CASE("a counter of cycles wraps at its cycle although no instruction limit applies") {
  Bench b("spr");
  CHECK(b.wr(0xc1, 0xffffff9c));  // 100 below the wrap
  CHECK(b.wr(0x186, kIntelCycles | kUsr | kOs | kInt | kEn));
  CHECK(b.wr(0x38f, 1));
  CHECK(b.pmu.reach(1000).cycles == 100);
  CHECK(b.pmu.reach(1000).instructions == kNever);
  b.count(Count::Cycles, 99);
  b.pmu.ran(7, 1099);
  CHECK(b.pmis == 0);
  CHECK(b.pmu.reach(1099).cycles == 1);
  b.count(Count::Cycles, 1);
  b.pmu.ran(1, 1100);
  CHECK(b.pmis == 1);
}

TEST_CASE("writing a counter changes the reach at once") {
  Bench b("spr");
  sample_after(b, 1000);
  CHECK(b.pmu.reach(0).instructions == 1000);
  CHECK(b.wr(0xc1, 0xfffffffe));
  CHECK(b.pmu.reach(0).instructions == 2);
}

TEST_CASE("counts that another than the core made are taken in by a sync, after which the reach is new") {
  Bench b("spr");
  sample_after(b, 1000);
  CHECK(b.pmu.reach(0).instructions == 1000);
  b.count(Count::Instructions, 900);
  b.pmu.sync();
  CHECK(b.pmu.reach(0).instructions == 100);
}

TEST_CASE("a delivered interrupt is bounded for a counter of interrupts") {
  Bench b("zen4");
  CHECK(b.wr(0xc0010201, 0xffffffffffff));
  CHECK(b.wr(0xc0010200, 0x2c | kUsr | kOs | kInt | kEn));
  CHECK(b.wr(0xc0000301, 1));
  CHECK(b.pmu.reach(0).instructions == 1);
  b.count(Count::Interrupts, 1);
  b.pmu.ran(1, 5);
  CHECK(b.pmis == 1);
}
