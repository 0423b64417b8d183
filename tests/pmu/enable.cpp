// SPDX-License-Identifier: Apache-2.0
// The enable equation: EN, GLOBAL_CTRL, privilege, frozen. Sources: SDM Vol. 3, 18.2; APM Vol. 2, 13.2.1.
#include "harness.h"

using namespace pmusim;
using namespace pmusim::test;

TEST_CASE("an Intel GP counter counts only with EN and its bit of GLOBAL_CTRL") {
  Bench b("spr");
  b.wr(msr::kPerfEvtSel0, kInstructions | kOs);
  b.retire(3);
  CHECK(b.rd(msr::kPerfCtr0) == 0);
  b.wr(msr::kPerfEvtSel0, kInstructions | kOs | kEn);
  b.retire(3);
  CHECK(b.rd(msr::kPerfCtr0) == 3);
  b.wr(msr::kGlobalCtrl, 0xfe);
  b.retire(3);
  CHECK(b.rd(msr::kPerfCtr0) == 3);
}

TEST_CASE("version 1 has no global enable") {
  Bench b(intel_version(1));
  b.wr(msr::kPerfEvtSel0, kInstructions | kOs | kEn);
  b.retire(3);
  CHECK(b.rd(msr::kPerfCtr0) == 3);
}

TEST_CASE("USR and OS select privilege levels, in every world on Intel") {
  struct Row {
    u64 bits, kernel, user;
  };
  for (const Row& row : {Row{0, 0, 0}, Row{kOs, 1, 0}, Row{kUsr, 0, 1}, Row{kOs | kUsr, 1, 1}}) {
    Bench b("skx");
    b.wr(msr::kPerfEvtSel0, kInstructions | kEn | row.bits);
    for (const World world : {World::Host, World::Guest, World::NestedGuest}) {
      b.retire(1, world, false);
      b.retire(100, world, true);
    }
    CHECK(b.rd(msr::kPerfCtr0) == 3 * (row.kernel + 100 * row.user));
  }
}

TEST_CASE("a fixed counter counts by its field and its bit 32+n of GLOBAL_CTRL") {
  Bench b("spr");
  b.wr(msr::kFixedCtrCtrl, 0x2);
  b.retire(4, World::Host, true);
  CHECK(b.rd(msr::kFixedCtr0) == 0);
  b.wr(msr::kGlobalCtrl, bit(32));
  b.retire(4, World::Host, true);
  b.retire(9, World::Host, false);
  CHECK(b.rd(msr::kFixedCtr0) == 4);
}

TEST_CASE("fixed counters 0 to 3 count instructions, cycles, reference cycles and slots") {
  Bench b("spr");
  b.wr(msr::kFixedCtrCtrl, 0x1111);
  b.wr(msr::kGlobalCtrl, 0xf00000000);
  b.happen(Count::Instructions, 1);
  b.happen(Count::Cycles, 20);
  b.happen(Count::RefCycles, 300);
  b.happen(Count::Slots, 4000);
  CHECK(b.rd(msr::kFixedCtr0) == 1);
  CHECK(b.rd(msr::kFixedCtr0 + 1) == 20);
  CHECK(b.rd(msr::kFixedCtr0 + 2) == 300);
  CHECK(b.rd(msr::kFixedCtr0 + 3) == 4000);
}

TEST_CASE("an AMD counter counts only with EN and, with PerfMonV2, its bit of GlobalCtl") {
  Bench b("zen4");
  b.wr(msr::kAmdPerfCtl0, kInstructions | kOs | kUsr | kEn);
  b.retire(2);
  CHECK(b.rd(msr::kAmdPerfCtr0) == 2);
  b.wr(msr::kAmdGlobalCtl, 0x3e);
  b.retire(2);
  CHECK(b.rd(msr::kAmdPerfCtr0) == 2);
  Bench v1("zen3");
  v1.wr(msr::kAmdPerfCtl0, kInstructions | kOs | kEn);
  v1.retire(2);
  CHECK(v1.rd(msr::kAmdPerfCtr0) == 2);
}

TEST_CASE("AMD's event select has 12 bits") {
  Bench b("zen4");
  b.wr(msr::kAmdPerfCtl0,
       bit(32) | 0x20 | 1 << 8 | kOs | kEn);  // event 120H, unit mask 1: cycles at the P0 frequency
  b.happen(Count::RefCycles, 11);
  CHECK(b.rd(msr::kAmdPerfCtr0) == 11);
}

TEST_CASE("a write to a running counter takes effect for later increments") {
  Bench b("spr");
  b.wr(msr::kPerfEvtSel0, kInstructions | kOs | kEn);
  b.retire(5);
  b.wr(msr::kPerfCtr0, 1000);
  b.retire(5);
  CHECK(b.rd(msr::kPerfCtr0) == 1005);
}

TEST_CASE("writing a selector again keeps the count") {
  Bench b("spr");
  b.wr(msr::kPerfEvtSel0, kInstructions | kOs | kEn);
  b.retire(5);
  b.wr(msr::kPerfEvtSel0, kInstructions | kOs | kEn);
  b.retire(5);
  CHECK(b.rd(msr::kPerfCtr0) == 10);
}

TEST_CASE(
    "an event that the simulator does not count is reported once per selector value and counts nothing") {
  Bench b("spr");
  const u64 selector = 0x2e | 0x41 << 8 | kOs | kEn;  // LONGEST_LAT_CACHE.MISS
  b.wr(msr::kPerfEvtSel0, selector);
  b.wr(msr::kGlobalCtrl, 0xff);
  b.retire(10);
  REQUIRE(b.unavailable.size() == 1);
  CHECK(b.unavailable[0] == std::pair<unsigned, u64>{0, selector});
  CHECK(b.rd(msr::kPerfCtr0) == 0);
  b.wr(msr::kPerfEvtSel0 + 1, 0xfd | kOs | kEn);  // no event of this part
  CHECK(b.unavailable.size() == 2);
}

TEST_CASE("an event counts only on the counters that can count it") {
  Bench b("spr");
  const u64 loads = 0xd0 | 0x81 << 8 | kOs | kEn;  // MEM_INST_RETIRED.ALL_LOADS: counters 0 to 3
  b.wr(msr::kPerfEvtSel0 + 3, loads);
  b.wr(msr::kPerfEvtSel0 + 4, loads);
  b.happen(Count::Loads, 6);
  CHECK(b.rd(msr::kPerfCtr0 + 3) == 6);
  CHECK(b.rd(msr::kPerfCtr0 + 4) == 0);
  CHECK(b.unavailable.size() == 1);
}

TEST_CASE("the transaction filters separate and exclude transactional counts") {
  Bench b(model("spr", [](CpuidTable& cpuid) { cpuid.find(7, 0)->regs.ebx |= 1 << 11; }));
  b.wr(msr::kPerfEvtSel0, kInstructions | kOs | kEn | bit(32));
  b.wr(msr::kPerfEvtSel0 + 2, kInstructions | kOs | kEn | bit(33));
  b.retire(5);
  b.counts.in(context_of(World::Host, false, true))[static_cast<unsigned>(Count::Instructions)] += 7;
  CHECK(b.rd(msr::kPerfCtr0) == 7);
  CHECK(b.rd(msr::kPerfCtr0 + 2) == 5);
}

TEST_CASE("a sum takes every kind of its mask, in the contexts of its mask alone") {
  EventCounts counts;
  const unsigned kernel = context_of(World::Host, false), guest = context_of(World::Guest, true);
  const Count low = Count::Cycles, high = Count::DividerCycles;
  static_assert(static_cast<unsigned>(high) >= 64, "in the mask's upper word");
  const CountMask both = mask_of(low) | mask_of(high);
  CHECK(counts.sum(both, 0xfff) == 0);
  count_in(counts.in(kernel), low) = 1;
  count_in(counts.in(kernel), high) = 20;
  count_in(counts.in(guest), high) = 300;
  CHECK(counts.sum(both, 0xfff) == 321);
  CHECK(counts.sum(mask_of(low), 0xfff) == 1);
  CHECK(counts.sum(both, 1u << kernel) == 21);
  CHECK(counts.sum(both, 1u << guest) == 300);
  CHECK(counts.sum(both, 0) == 0);
}

TEST_CASE("controls that are written are reported, a counter's new value is not") {
  Bench b(model("spr"));
  b.changes.clear();
  b.wr(msr::kPerfEvtSel0, kInstructions | kOs | kEn);
  b.wr(msr::kPerfCtr0, 5);
  b.wr(msr::kFixedCtr0, 6);
  b.wr(msr::kGlobalCtrl, 1);
  CHECK(b.changes == std::vector<u32>{msr::kPerfEvtSel0, msr::kGlobalCtrl});
}
