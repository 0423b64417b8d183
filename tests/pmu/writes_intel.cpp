// SPDX-License-Identifier: Apache-2.0
// Which writes Intel hardware takes and as what value. Sources: SDM Vol. 3 (325384-059), 18.2.1 to
// 18.2.4 and Table 35-2 (OVF_CTRL bit 61 by version).
#include "harness.h"

using namespace pmusim;
using namespace pmusim::test;

TEST_CASE("a write to 0xC1 takes bits 31:0 and sign-extends them to the counter width") {
  Bench b("spr");
  CHECK(b.wr(msr::kPerfCtr0, 0x7fffffff));
  CHECK(b.rd(msr::kPerfCtr0) == 0x7fffffff);
  CHECK(b.wr(msr::kPerfCtr0, 0x80000000));
  CHECK(b.rd(msr::kPerfCtr0) == 0xffff80000000);
  CHECK(b.wr(msr::kPerfCtr0, 0x123400000001));
  CHECK(b.rd(msr::kPerfCtr0) == 1);
}

TEST_CASE("a write to 0x4C1 takes the full width, gives #GP above it, and both addresses read the same") {
  Bench b("spr");
  CHECK(b.wr(msr::kAPmc0, mask(48)));
  CHECK(b.rd(msr::kAPmc0) == mask(48));
  CHECK(b.rd(msr::kPerfCtr0) == mask(48));
  CHECK_FALSE(b.wr(msr::kAPmc0, bit(48)));
  CHECK(b.rd(msr::kAPmc0) == mask(48));
}

TEST_CASE("0x4C1 exists only with full-width writes in PERF_CAPABILITIES") {
  CpuModel m = model("spr");
  m.caps.perf_capabilities &= ~bit(13);
  Bench b(m);
  CHECK_FALSE(b.wr(msr::kAPmc0, 0));
  CHECK_FALSE(b.readable(msr::kAPmc0));
}

TEST_CASE("counters, selectors and enables beyond the count give #GP") {
  Bench b("skx");
  CHECK(b.readable(msr::kPerfCtr0 + 3));
  CHECK_FALSE(b.readable(msr::kPerfCtr0 + 4));
  CHECK(b.wr(msr::kPerfEvtSel0 + 3, 0));
  CHECK_FALSE(b.wr(msr::kPerfEvtSel0 + 4, 0));
  CHECK(b.wr(msr::kFixedCtr0 + 2, 1));
  CHECK_FALSE(b.wr(msr::kFixedCtr0 + 3, 1));
  CHECK(b.wr(msr::kGlobalCtrl, 0x70000000f));
  for (const unsigned n : {4u, 31u, 35u, 48u, 63u}) CHECK_FALSE(b.wr(msr::kGlobalCtrl, bit(n)));
  CHECK(b.rd(msr::kGlobalCtrl) == 0x70000000f);
}

TEST_CASE("AnyThread is reserved before version 3 and where it is deprecated") {
  for (const unsigned version : {1u, 2u}) {
    Bench b(intel_version(version));
    CHECK_FALSE(b.wr(msr::kPerfEvtSel0, bit(21)));
  }
  Bench v2(intel_version(2)), v3(intel_version(3)), v4("skx"), v5("spr");
  CHECK_FALSE(v2.wr(msr::kFixedCtrCtrl, 4));
  for (Bench* b : {&v3, &v4}) {
    CHECK(b->wr(msr::kPerfEvtSel0, bit(21)));
    CHECK(b->wr(msr::kFixedCtrCtrl, 0xfff));
  }
  CHECK_FALSE(v5.wr(msr::kPerfEvtSel0, bit(21)));
  CHECK_FALSE(v5.wr(msr::kFixedCtrCtrl, 4));
  CHECK(v5.wr(msr::kFixedCtrCtrl, 0xbbbb));
}

TEST_CASE("selector bits 32 to 63 are reserved without the features that define them") {
  Bench b("spr");
  for (unsigned n = 32; n < 64; ++n) {
    CAPTURE(n);
    CHECK_FALSE(b.wr(msr::kPerfEvtSel0, bit(n)));
  }
  CHECK(b.wr(msr::kPerfEvtSel0, mask(32) & ~bit(21)));
}

TEST_CASE("IN_TX needs RTM, and IN_TXCP is valid on counter 2 only") {
  Bench b(model("spr", [](CpuidTable& cpuid) { cpuid.find(7, 0)->regs.ebx |= 1 << 11; }));
  CHECK(b.wr(msr::kPerfEvtSel0, bit(32)));
  CHECK(b.wr(msr::kPerfEvtSel0 + 2, bit(33)));
  CHECK_FALSE(b.wr(msr::kPerfEvtSel0 + 1, bit(33)));
  CHECK_FALSE(b.wr(msr::kPerfEvtSel0 + 3, bit(33)));
}

TEST_CASE("fields of missing fixed counters are reserved in FIXED_CTR_CTRL") {
  Bench skx("skx"), spr("spr");
  CHECK(skx.wr(msr::kFixedCtrCtrl, 0xb00));
  CHECK_FALSE(skx.wr(msr::kFixedCtrCtrl, 0x1000));
  CHECK(spr.wr(msr::kFixedCtrCtrl, 0xb000));
  CHECK_FALSE(spr.wr(msr::kFixedCtrCtrl, 0x10000));
}

TEST_CASE("GLOBAL_STATUS, GLOBAL_INUSE and PERF_CAPABILITIES are read-only") {
  Bench b("spr");
  for (const u32 msr : {msr::kGlobalStatus, msr::kGlobalInuse, msr::kPerfCapabilities}) {
    CHECK_FALSE(b.wr(msr, 0));
    CHECK(b.readable(msr));
  }
}

TEST_CASE("the bits that clear status grow with the version") {
  struct Row {
    unsigned version;
    u64 valid;
  };
  for (const Row& row : {Row{2, bit(62) | bit(63)}, Row{3, bit(61) | bit(62) | bit(63)},
                         Row{4, bit(55) | bit(58) | bit(59) | bit(60) | bit(61) | bit(62) | bit(63)}}) {
    CAPTURE(row.version);
    Bench b(intel_version(row.version));
    for (unsigned n = 0; n < 64; ++n) {
      CAPTURE(n);
      const bool counter = n < 4 || (n >= 32 && n < 35);
      CHECK(b.wr(msr::kGlobalStatusReset, bit(n)) == (counter || (row.valid >> n & 1)));
    }
  }
}

TEST_CASE("STATUS_SET and INUSE exist from version 4, and STATUS_SET has no bit 63") {
  Bench v3(intel_version(3)), v4("skx");
  CHECK_FALSE(v3.wr(msr::kGlobalStatusSet, 0));
  CHECK_FALSE(v3.readable(msr::kGlobalInuse));
  CHECK(v4.wr(msr::kGlobalStatusSet, bit(62)));
  CHECK_FALSE(v4.wr(msr::kGlobalStatusSet, bit(63)));
}

TEST_CASE("version 1 has GP counters and selectors and none of the later registers") {
  Bench b(intel_version(1));
  CHECK(b.wr(msr::kPerfEvtSel0, 0));
  for (const u32 msr : {msr::kFixedCtr0, msr::kFixedCtrCtrl, msr::kGlobalCtrl, msr::kGlobalStatus,
                        msr::kGlobalStatusReset, msr::kGlobalStatusSet, msr::kGlobalInuse})
    CHECK_FALSE(b.readable(msr));
}

TEST_CASE("AMD's registers do not exist on Intel") {
  Bench b("spr");
  CHECK_FALSE(b.pmu.owns(msr::kAmdPerfCtl0));
  CHECK_FALSE(b.wr(msr::kK7EvntSel0, 0));
}
