// SPDX-License-Identifier: Apache-2.0
// Overflow, status, PMI and the two ways of freezing. Sources: SDM Vol. 3, 17.4.7 and 18.2.4; APM Vol.
// 2, 13.2.1.
#include "harness.h"

using namespace pmusim;
using namespace pmusim::test;

TEST_CASE("a counter one below, at and above its width wraps exactly at the top") {
  struct Row {
    u64 start, add, value;
    bool wraps;
  };
  const u64 top = mask(48);
  for (const Row& row : {Row{top - 1, 1, top, false}, Row{top - 1, 2, 0, true}, Row{top, 1, 0, true},
                         Row{top, 2, 1, true}, Row{top - 1, 5, 3, true}}) {
    Bench b("spr");
    b.wr(msr::kPerfEvtSel0, kInstructions | kOs | kEn);
    b.wr(msr::kAPmc0, row.start);
    b.retire(row.add);
    CHECK(b.rd(msr::kPerfCtr0) == row.value);
    CHECK(b.rd(msr::kGlobalStatus) == (row.wraps ? 1 : 0));
    CHECK(b.overflows.size() == (row.wraps ? 1 : 0));
  }
}

TEST_CASE("an overflow sets its status bit without INT, and requests a PMI only with INT") {
  for (const bool interrupt : {false, true}) {
    Bench b("spr");
    b.wr(msr::kPerfEvtSel0 + 2, kInstructions | kOs | kEn | (interrupt ? kInt : 0));
    b.wr(msr::kPerfCtr0 + 2, 0xffffffff);
    b.retire(1);
    CHECK(b.rd(msr::kGlobalStatus) == bit(2));
    CHECK(b.pmis == (interrupt ? 1 : 0));
  }
}

TEST_CASE("a fixed counter's overflow is bit 32+n and its PMI is bit 3 of its field") {
  for (const bool interrupt : {false, true}) {
    Bench b("spr");
    b.wr(msr::kFixedCtrCtrl, interrupt ? 0x9 : 0x1);
    b.wr(msr::kGlobalCtrl, bit(32));
    b.wr(msr::kFixedCtr0, mask(48));
    b.retire(1);
    CHECK(b.rd(msr::kGlobalStatus) == bit(32));
    CHECK(b.pmis == (interrupt ? 1 : 0));
  }
}

TEST_CASE("counters that overflow together are all in the status, with one PMI") {
  Bench b("spr");
  for (u32 n = 0; n < 3; ++n) {
    b.wr(msr::kPerfEvtSel0 + n, kInstructions | kOs | kEn | kInt);
    b.wr(msr::kPerfCtr0 + n, 0xffffffff);
  }
  b.retire(1);
  CHECK(b.at_pmi == 7);
  CHECK(b.pmis == 1);
  CHECK(b.overflows == std::vector<unsigned>{0, 1, 2});
}

TEST_CASE("a version 1 PMU and AMD before PerfMonV2 request a PMI and have no status") {
  Bench intel(intel_version(1)), amd("zen3");
  intel.wr(msr::kPerfEvtSel0, kInstructions | kOs | kEn | kInt);
  intel.wr(msr::kPerfCtr0, 0xffffffff);
  intel.retire(1);
  CHECK(intel.pmis == 1);
  CHECK(intel.pmu.registers().global_status == 0);
  amd.wr(msr::kAmdPerfCtl0, kInstructions | kOs | kEn | kInt);
  amd.wr(msr::kAmdPerfCtr0, mask(48));
  amd.retire(1);
  CHECK(amd.pmis == 1);
  CHECK(amd.pmu.registers().global_status == 0);
  CHECK(amd.rd(msr::kAmdPerfCtr0) == 0);
}

TEST_CASE("AMD sets the status bit irrespective of INT") {
  Bench b("zen4");
  b.wr(msr::kAmdPerfCtl0 + 10, kInstructions | kOs | kEn);
  b.wr(msr::kAmdPerfCtr0 + 10, mask(48));
  b.retire(1);
  CHECK(b.rd(msr::kAmdGlobalStatus) == bit(5));
  CHECK(b.pmis == 0);
}

TEST_CASE("setting overflow bits by software raises no PMI and freezes nothing") {
  Bench intel("spr"), amd("zen4");
  intel.pmu.set_debugctl(bit(12));
  intel.wr(msr::kPerfEvtSel0, kInstructions | kOs | kEn | kInt);
  CHECK(intel.wr(msr::kGlobalStatusSet, 1));
  intel.retire(4);
  CHECK(intel.pmis == 0);
  CHECK(intel.rd(msr::kPerfCtr0) == 4);
  amd.wr(msr::kAmdPerfCtl0, kInstructions | kOs | kEn | kInt);
  amd.wr(msr::kAmdGlobalStatusSet, 1);
  amd.retire(4);
  CHECK(amd.pmis == 0);
  CHECK(amd.rd(msr::kAmdPerfCtr0) == 4);
}

TEST_CASE("clearing the status alters no counter") {
  Bench b("spr");
  b.wr(msr::kPerfEvtSel0, kInstructions | kOs | kEn);
  b.wr(msr::kPerfCtr0, 0xffffffff);
  b.retire(6);
  CHECK(b.wr(msr::kGlobalStatusReset, 1));
  CHECK(b.rd(msr::kGlobalStatus) == 0);
  CHECK(b.rd(msr::kPerfCtr0) == 5);
  CHECK(b.rd(msr::kGlobalStatusReset) == 0);
}

TEST_CASE("versions 2 and 3 freeze by clearing GLOBAL_CTRL") {
  for (const unsigned version : {2u, 3u}) {
    Bench b(intel_version(version));
    b.pmu.set_debugctl(bit(12));
    b.wr(msr::kPerfEvtSel0, kInstructions | kOs | kEn | kInt);
    b.wr(msr::kPerfEvtSel0 + 1, kInstructions | kOs | kEn);
    b.wr(msr::kPerfCtr0, 0xffffffff);
    b.retire(1);
    b.retire(10);
    CHECK(b.rd(msr::kGlobalCtrl) == 0);
    CHECK(b.rd(msr::kGlobalStatus) == 1);
    CHECK(b.rd(msr::kPerfCtr0) == 0);
    CHECK(b.rd(msr::kPerfCtr0 + 1) == 1);
    b.wr(msr::kGlobalCtrl, 0xf);
    b.retire(10);
    CHECK(b.rd(msr::kPerfCtr0) == 10);
  }
}

TEST_CASE("version 4 and later freeze by CTR_FRZ, keep GLOBAL_CTRL, and go on when software clears the bit") {
  for (const char* id : {"skx", "spr"}) {
    Bench b(id);
    const u64 enables = b.rd(msr::kGlobalCtrl);
    b.pmu.set_debugctl(bit(12));
    b.wr(msr::kPerfEvtSel0, kInstructions | kOs | kEn | kInt);
    b.wr(msr::kPerfEvtSel0 + 1, kInstructions | kOs | kEn);
    b.wr(msr::kPerfCtr0, 0xffffffff);
    b.retire(1);
    b.retire(10);
    CHECK(b.rd(msr::kGlobalCtrl) == enables);
    CHECK(b.rd(msr::kGlobalStatus) == (bit(59) | 1));
    CHECK(b.rd(msr::kPerfCtr0) == 0);
    CHECK(b.rd(msr::kPerfCtr0 + 1) == 1);
    CHECK(b.wr(msr::kGlobalStatusReset, bit(59)));
    b.retire(10);
    CHECK(b.rd(msr::kPerfCtr0) == 10);
    CHECK(b.rd(msr::kGlobalStatus) == 1);
  }
}

TEST_CASE("an overflow without INT freezes nothing") {
  Bench v2(intel_version(2)), v5("spr"), amd("zen4");
  for (Bench* b : {&v2, &v5}) {
    b->pmu.set_debugctl(bit(12));
    b->wr(msr::kPerfEvtSel0, kInstructions | kOs | kEn);
    b->wr(msr::kPerfCtr0, 0xffffffff);
    b->retire(1);
    b->retire(10);
    CHECK(b->rd(msr::kPerfCtr0) == 10);
  }
  amd.pmu.set_debugctl(bit(12));
  amd.wr(msr::kAmdPerfCtl0, kInstructions | kOs | kEn);
  amd.wr(msr::kAmdPerfCtr0, mask(48));
  amd.retire(11);
  amd.retire(1);
  CHECK(amd.rd(msr::kAmdPerfCtr0) == 11);
}

TEST_CASE("without the freeze bit a PMI freezes nothing") {
  Bench b("spr");
  b.wr(msr::kPerfEvtSel0, kInstructions | kOs | kEn | kInt);
  b.wr(msr::kPerfCtr0, 0xffffffff);
  b.retire(1);
  b.retire(10);
  CHECK(b.rd(msr::kPerfCtr0) == 10);
  CHECK(b.rd(msr::kGlobalStatus) == 1);
}

TEST_CASE("software may freeze by setting CTR_FRZ") {
  Bench intel("spr"), amd("zen4");
  intel.wr(msr::kPerfEvtSel0, kInstructions | kOs | kEn);
  intel.wr(msr::kGlobalStatusSet, bit(59));
  intel.retire(4);
  CHECK(intel.rd(msr::kPerfCtr0) == 0);
  amd.wr(msr::kAmdPerfCtl0, kInstructions | kOs | kEn);
  amd.wr(msr::kAmdGlobalStatusSet, bit(59));
  amd.retire(4);
  CHECK(amd.rd(msr::kAmdPerfCtr0) == 0);
}

TEST_CASE("PMCF holds all AMD core counters until StatusClr") {
  Bench b("zen4");
  b.pmu.set_debugctl(bit(12));
  for (u32 n = 0; n < 2; ++n) b.wr(msr::kAmdPerfCtl0 + 2 * n, kInstructions | kOs | kEn | (n ? 0 : kInt));
  b.wr(msr::kAmdPerfCtr0, mask(48));
  b.retire(1);
  b.retire(10);
  CHECK(b.rd(msr::kAmdGlobalStatus) == (bit(59) | 1));
  CHECK(b.rd(msr::kAmdPerfCtr0 + 2) == 1);
  b.wr(msr::kAmdGlobalStatusClr, bit(59));
  b.retire(10);
  CHECK(b.rd(msr::kAmdPerfCtr0 + 2) == 11);
}

TEST_CASE("delivery of a PMI masks LVTPC on Intel and not on AMD") {
  CHECK(Bench("spr").pmu.masks_lvtpc_on_pmi());
  CHECK_FALSE(Bench("zen4").pmu.masks_lvtpc_on_pmi());
}
