// SPDX-License-Identifier: Apache-2.0
// CMASK, INV and EDGE. Source: SDM Vol. 3, 18.2.1.1 (CMASK, INV, E); APM Vol. 2, 13.2.1, the same.
#include "harness.h"

#include "base/rng.h"

using namespace pmusim;
using namespace pmusim::test;

namespace {

// Runs the same random cycles and gives the count of one selector.
u64 count(const char* id, u64 selector, u64* cycles = nullptr) {
  Bench b(id);
  const bool amd = b.generation.vendor == pmu::Vendor::Amd;
  const u32 select = amd ? msr::kAmdPerfCtl0 : msr::kPerfEvtSel0,
            counter = amd ? msr::kAmdPerfCtr0 : msr::kPerfCtr0;
  b.wr(select, kInstructions | kOs | kEn | selector);
  Rng rng(7);
  u64 total = 0;
  for (int i = 0; i < 2000; ++i) {
    const u64 n = rng.below(7);
    const u64 repeat = n ? 1 : 1 + rng.below(3);
    b.cycle(n, repeat);
    total += repeat;
  }
  if (cycles) *cycles = total;
  return b.rd(counter);
}

}  // namespace

TEST_CASE("CMASK counts the cycles with at least that many, and INV the others") {
  for (const char* id : {"spr", "zen4"}) {
    u64 cycles = 0, last = ~u64{0};
    for (u64 k = 1; k <= 7; ++k) {
      const u64 at_least = count(id, cmask(k), &cycles), fewer = count(id, cmask(k) | kInv);
      CHECK(at_least <= last);
      CHECK(at_least + fewer == cycles);
      CHECK(count(id, cmask(k) | kEdge) <= at_least);
      last = at_least;
    }
    CHECK(last == 0);  // at most six instructions in a cycle
  }
}

TEST_CASE("INV without CMASK has no effect") {
  CHECK(count("spr", kInv) == count("spr", 0));
  CHECK(count("zen4", kInv) == count("zen4", 0));
}

TEST_CASE("EDGE alone acts as CMASK 1 with EDGE, and INV still has no effect") {
  CHECK(count("spr", kEdge) == count("spr", kEdge | cmask(1)));
  Bench b("spr");
  b.wr(msr::kPerfEvtSel0, kInstructions | kOs | kEn | kEdge | kInv);
  b.cycle(1);
  CHECK(b.rd(msr::kPerfCtr0) == 1);
  b.cycle(0);
  CHECK(b.rd(msr::kPerfCtr0) == 1);
}

TEST_CASE("EDGE counts false-to-true transitions of the condition") {
  Bench b("spr");
  b.wr(msr::kPerfEvtSel0, kInstructions | kOs | kEn | cmask(2) | kEdge);
  for (const u64 n : {2, 3, 1, 2, 0, 0, 4, 4}) b.cycle(n);
  CHECK(b.rd(msr::kPerfCtr0) == 3);
}

TEST_CASE("cycles at a privilege level that is not selected are not counted, even inverted") {
  Bench b("spr");
  b.wr(msr::kPerfEvtSel0, kInstructions | kOs | kEn | cmask(1) | kInv);
  b.cycle(0, 5);
  b.cycle(0, 9, true);
  CHECK(b.rd(msr::kPerfCtr0) == 5);
}

TEST_CASE("cycles are asked for only while a threshold counter is enabled") {
  Bench b("spr");
  CHECK_FALSE(b.pmu.wants_cycles());
  b.wr(msr::kPerfEvtSel0, kInstructions | kOs | kEn);
  CHECK_FALSE(b.pmu.wants_cycles());
  b.wr(msr::kPerfEvtSel0 + 1, kInstructions | kOs | kEn | cmask(1));
  CHECK(b.pmu.wants_cycles());
  b.wr(msr::kGlobalCtrl, 1);
  CHECK_FALSE(b.pmu.wants_cycles());
}

TEST_CASE("a write to another register leaves the edge detector alone") {
  Bench b("spr");
  b.wr(msr::kPerfEvtSel0, kInstructions | kOs | kEn | cmask(1) | kEdge);
  b.cycle(1);
  b.wr(msr::kGlobalStatusReset, 1);
  b.cycle(1);
  CHECK(b.rd(msr::kPerfCtr0) == 1);
}

TEST_CASE("an event without a per-cycle value is reported when thresholded and counts nothing") {
  Bench b("spr");
  b.wr(msr::kPerfEvtSel0, 0xcb | 1 << 8 | kOs | kEn | cmask(1));  // HW_INTERRUPTS.RECEIVED
  CHECK(b.unavailable.size() == 1);
  CHECK_FALSE(b.pmu.wants_cycles());
}

TEST_CASE("a threshold counter overflows like any other") {
  Bench b("spr");
  b.wr(msr::kPerfEvtSel0, kInstructions | kOs | kEn | kInt | cmask(1));
  b.wr(msr::kPerfCtr0, 0xfffffffe);
  CHECK(b.pmu.horizon().cycles == 2);
  b.cycle(3);
  CHECK(b.pmis == 0);
  b.cycle(3);
  CHECK(b.pmis == 1);
}
