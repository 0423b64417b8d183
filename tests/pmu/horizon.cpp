// SPDX-License-Identifier: Apache-2.0
// The horizon never lets a counter wrap unseen: no overflow before it, and it always leads to the overflow.
#include "harness.h"

#include "base/rng.h"

using namespace pmusim;
using namespace pmusim::test;

TEST_CASE("an idle PMU has no horizon") {
  Bench b("spr");
  CHECK(b.pmu.horizon().instructions == kNever);
  CHECK(b.pmu.horizon().cycles == kNever);
}

TEST_CASE("a counter of instructions or branches bounds instructions by its distance to the wrap") {
  for (const u64 event : {kInstructions, u64{0xc4}}) {
    Bench b("spr");
    b.wr(msr::kPerfEvtSel0, event | kOs | kEn);
    b.wr(msr::kPerfCtr0, 0xfffffff6);
    CHECK(b.pmu.horizon().instructions == 10);
    CHECK(b.pmu.horizon().cycles == kNever);
    b.wr(msr::kPerfCtr0, 0xffffffff);
    CHECK(b.pmu.horizon().instructions == 1);
  }
}

TEST_CASE("a counter of cycles bounds cycles and one of slots bounds cycles by the width") {
  Bench b("spr");
  b.wr(msr::kPerfEvtSel0, kIntelCycles | kOs | kEn);
  b.wr(msr::kPerfCtr0, 0xffffff9c);
  CHECK(b.pmu.horizon().cycles == 100);
  CHECK(b.pmu.horizon().instructions == kNever);
  b.wr(msr::kPerfEvtSel0, 0xa4 | 1 << 8 | kOs | kEn);
  CHECK(b.pmu.horizon().cycles == 17);  // 100 slots at 6 a cycle
}

TEST_CASE("a counter of the crystal clock cannot wrap before its horizon, whatever the phase") {
  Bench b("icx");  // one tick in 96 core cycles
  b.wr(msr::kPerfEvtSel0, kIntelCycles | 1 << 8 | kOs | kEn);
  for (u64 distance = 1; distance < 5; ++distance) {
    b.wr(msr::kPerfCtr0, u64{1} << 32 | (0x100000000 - distance));
    CHECK(b.pmu.horizon().cycles == (distance - 1) * 96 + 1);
  }
}

TEST_CASE("counts that were not taken in yet shorten the horizon") {
  Bench b("spr");
  b.wr(msr::kPerfEvtSel0, kInstructions | kOs | kEn);
  b.wr(msr::kPerfCtr0, 0xfffffff6);
  b.counts.in(0)[static_cast<unsigned>(Count::Instructions)] += 4;
  CHECK(b.pmu.horizon().instructions == 6);
  b.counts.in(0)[static_cast<unsigned>(Count::Instructions)] += 90;
  CHECK(b.pmu.horizon().instructions == 1);
}

TEST_CASE("running to the horizon again and again sees each overflow at the instruction that causes it") {
  Rng rng(3);
  for (int run = 0; run < 50; ++run) {
    Bench b("spr");
    const u64 loads = 0xd0 | 0x81 << 8;
    b.wr(msr::kPerfEvtSel0, loads | kOs | kEn);
    b.wr(msr::kPerfCtr0, 0x100000000 - (1 + rng.below(3000)));
    u64 left = 0x1000000000000 - b.rd(msr::kPerfCtr0);
    int steps = 0;
    while (b.overflows.empty() && ++steps < 200) {
      u64 last = 0, sum = 0;
      for (u64 i = b.pmu.horizon().instructions; i; --i) sum += last = rng.below(3);
      const bool wraps = sum >= left;
      if (wraps) CHECK(sum - last < left);
      b.happen(Count::Loads, sum);
      CHECK(b.overflows.size() == (wraps ? 1 : 0));
      left -= wraps ? left : sum;
    }
    CHECK(b.overflows.size() == 1);
  }
}
