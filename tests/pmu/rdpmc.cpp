// SPDX-License-Identifier: Apache-2.0
// RDPMC indices. Sources: SDM Vol. 2, RDPMC; APM Vol. 3, RDPMC.
#include "harness.h"

using namespace pmusim;
using namespace pmusim::test;

TEST_CASE("Intel's RDPMC takes GP and fixed indices and faults on all others") {
  struct Row {
    u32 ecx;
    bool valid;
  };
  Bench b("spr");
  for (const Row& row :
       {Row{0, true}, Row{7, true}, Row{8, false}, Row{64, false}, Row{0xffff, false}, Row{0x40000000, true},
        Row{0x40000003, true}, Row{0x40000004, false}, Row{0x40000040, false}, Row{0x20000000, false},
        Row{0x10000, false}, Row{0x80000000, false}, Row{0xc0000000, false}, Row{0xffffffff, false}}) {
    CAPTURE(row.ecx);
    u64 value;
    CHECK(b.pmu.rdpmc(row.ecx, value) == row.valid);
  }
}

TEST_CASE("PERF_METRICS is readable by RDPMC only where it is enumerated") {
  CpuModel m = model("spr");
  m.caps.perf_capabilities |= bit(15);
  Bench b(m);
  CHECK(b.wr(msr::kPerfMetrics, 0x1234));
  CHECK(b.rdpmc(0x20000000) == 0x1234);
  u64 value;
  CHECK_FALSE(b.pmu.rdpmc(0x20000001, value));
  CHECK_FALSE(Bench("spr").wr(msr::kPerfMetrics, 0));
}

TEST_CASE("AMD's RDPMC takes core counters and faults on the DF and L3 indices that do not exist here") {
  struct Row {
    u32 ecx;
    bool valid;
  };
  Bench b("zen4");
  for (const Row& row : {Row{0, true}, Row{5, true}, Row{6, false}, Row{9, false}, Row{10, false},
                         Row{16, false}, Row{0x40000000, false}, Row{0x80000000, false}}) {
    CAPTURE(row.ecx);
    u64 value;
    CHECK(b.pmu.rdpmc(row.ecx, value) == row.valid);
  }
}

TEST_CASE("RDPMC reads the running value, masked to the width") {
  Bench b("spr");
  b.wr(msr::kPerfEvtSel0 + 1, kInstructions | kOs | kEn);
  b.wr(msr::kPerfCtr0 + 1, 0xffffffff);
  CHECK(b.rdpmc(1) == mask(48));
  b.counts.in(0)[static_cast<unsigned>(Count::Instructions)] += 3;  // not yet taken in
  CHECK(b.pmu.counter_value(1) == 2);
  CHECK(b.rdpmc(1) == 2);
}
