// SPDX-License-Identifier: Apache-2.0
// IA32_PERF_GLOBAL_INUSE. Source: SDM Vol. 3, 18.2.4.3, Figure 18-13.
#include "harness.h"

using namespace pmusim;
using namespace pmusim::test;

TEST_CASE("INUSE tells selectors with an event select, enabled fixed counters, and PMI enables") {
  Bench b("spr");
  CHECK(b.rd(msr::kGlobalInuse) == 0);
  b.wr(msr::kPerfEvtSel0 + 1, 0xc0);
  CHECK(b.rd(msr::kGlobalInuse) == bit(1));
  b.wr(msr::kPerfEvtSel0 + 1, kEn | kOs | 0x100);  // event select 0 is not in use, whatever else is set
  CHECK(b.rd(msr::kGlobalInuse) == 0);
  b.wr(msr::kPerfEvtSel0 + 1, kInt);
  CHECK(b.rd(msr::kGlobalInuse) == bit(63));
  b.wr(msr::kPerfEvtSel0 + 1, 0);
  b.wr(msr::kFixedCtrCtrl, 0x20);
  CHECK(b.rd(msr::kGlobalInuse) == bit(33));
  b.wr(msr::kFixedCtrCtrl, 0x80);
  CHECK(b.rd(msr::kGlobalInuse) == bit(63));
}
