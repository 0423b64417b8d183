// SPDX-License-Identifier: Apache-2.0
// Power-on values. Sources: SDM Vol. 3, "Processor State After Reset" (GLOBAL_CTRL), APM Vol. 2 (GlobalCtl
// 3FH, selects 0).
#include "harness.h"

using namespace pmusim;
using namespace pmusim::test;

TEST_CASE("after reset Intel's GP enables of GLOBAL_CTRL are set and the fixed ones clear") {
  CHECK(Bench("spr").rd(msr::kGlobalCtrl) == 0xff);
  CHECK(Bench("skx").rd(msr::kGlobalCtrl) == 0xf);
}

TEST_CASE("after reset all other Intel PMU registers are zero") {
  Bench b("spr");
  for (u32 n = 0; n < 8; ++n) {
    CHECK(b.rd(msr::kPerfEvtSel0 + n) == 0);
    CHECK(b.rd(msr::kPerfCtr0 + n) == 0);
  }
  for (u32 n = 0; n < 4; ++n) CHECK(b.rd(msr::kFixedCtr0 + n) == 0);
  CHECK(b.rd(msr::kFixedCtrCtrl) == 0);
  CHECK(b.rd(msr::kGlobalStatus) == 0);
}

TEST_CASE("after reset PerfCntrGlobalCtl of a PerfMonV2 CPU is 3FH and the selects are zero") {
  Bench b("zen4");
  CHECK(b.rd(msr::kAmdGlobalCtl) == 0x3f);
  for (u32 n = 0; n < 6; ++n) CHECK(b.rd(msr::kAmdPerfCtl0 + 2 * n) == 0);
}

TEST_CASE("reset stops counters and forgets their values") {
  Bench b("spr");
  b.wr(msr::kPerfEvtSel0, kInstructions | kOs | kEn);
  b.retire(5);
  b.pmu.reset();
  b.retire(5);
  CHECK(b.rd(msr::kPerfCtr0) == 0);
  CHECK(b.rd(msr::kPerfEvtSel0) == 0);
}
