// SPDX-License-Identifier: Apache-2.0
// Which writes AMD hardware takes and as what value. Source: APM Vol. 2 rev 3.44 (Figures
// 13-11 to 13-15).
#include "harness.h"

using namespace pmusim;
using namespace pmusim::test;

TEST_CASE("reserved bits of a select read as zero and raise nothing") {
  Bench b("zen4");
  CHECK(b.wr(msr::kAmdPerfCtl0, ~u64{0}));
  const u64 value = b.rd(msr::kAmdPerfCtl0);
  for (const unsigned n : {19u, 21u, 36u, 37u, 38u, 39u, 42u, 43u, 63u}) CHECK_FALSE(test_bit(value, n));
  for (const unsigned n : {0u, 15u, 16u, 18u, 20u, 22u, 23u, 31u, 32u, 35u, 40u, 41u})
    CHECK(test_bit(value, n));
}

TEST_CASE("a counter takes 48 bits without sign extension") {
  Bench b("zen4");
  CHECK(b.wr(msr::kAmdPerfCtr0, 0x80000000));
  CHECK(b.rd(msr::kAmdPerfCtr0) == 0x80000000);
  CHECK(b.wr(msr::kAmdPerfCtr0, ~u64{0}));
  CHECK(b.rd(msr::kAmdPerfCtr0) == mask(48));
}

TEST_CASE("the first four counters are also at the K7 addresses") {
  Bench b("zen4");
  for (u32 n = 0; n < 4; ++n) {
    CHECK(b.wr(msr::kK7EvntSel0 + n, 0x100c0 + n));
    CHECK(b.rd(msr::kAmdPerfCtl0 + 2 * n) == 0x100c0 + n);
    CHECK(b.wr(msr::kAmdPerfCtr0 + 2 * n, 7 + n));
    CHECK(b.rd(msr::kK7PerfCtr0 + n) == 7 + n);
  }
}

TEST_CASE("the extended registers need PERFCTR_CORE and the six counters end at index 5") {
  Bench b("zen3");
  CHECK(b.wr(msr::kAmdPerfCtl0 + 10, 0));
  CHECK_FALSE(b.wr(msr::kAmdPerfCtl0 + 12, 0));
  Bench old(model("zen3", [](CpuidTable& cpuid) { cpuid.find(0x80000001, 0)->regs.ecx &= ~(1u << 23); }));
  CHECK_FALSE(old.wr(msr::kAmdPerfCtl0, 0));
  CHECK(old.wr(msr::kK7EvntSel0 + 3, 0));
}

TEST_CASE("the global registers exist with PerfMonV2 only and drop reserved bits") {
  Bench v1("zen3"), v2("zen4");
  CHECK_FALSE(v1.readable(msr::kAmdGlobalCtl));
  CHECK_FALSE(v1.readable(msr::kAmdGlobalStatus));
  CHECK(v2.wr(msr::kAmdGlobalCtl, ~u64{0}));
  CHECK(v2.rd(msr::kAmdGlobalCtl) == 0x3f);
}

TEST_CASE("a write to the status is ignored, Set sets and Clr clears, each reading zero") {
  Bench b("zen4");
  CHECK(b.wr(msr::kAmdGlobalStatus, 1));
  CHECK(b.rd(msr::kAmdGlobalStatus) == 0);
  CHECK(b.wr(msr::kAmdGlobalStatusSet, ~u64{0}));
  CHECK(b.rd(msr::kAmdGlobalStatus) == (0x3f | bit(58) | bit(59)));
  CHECK(b.rd(msr::kAmdGlobalStatusSet) == 0);
  CHECK(b.wr(msr::kAmdGlobalStatusClr, bit(59) | 1));
  CHECK(b.rd(msr::kAmdGlobalStatus) == (0x3e | bit(58)));
  CHECK(b.rd(msr::kAmdGlobalStatusClr) == 0);
}

TEST_CASE("Intel's registers do not exist on AMD") {
  Bench b("zen4");
  for (const u32 msr : {msr::kPerfEvtSel0, msr::kPerfCtr0, msr::kGlobalCtrl, msr::kPerfCapabilities})
    CHECK_FALSE(b.readable(msr));
}
