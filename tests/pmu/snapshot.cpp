// SPDX-License-Identifier: Apache-2.0
// Saving and restoring the PMU with the counts of the same moment.
#include "harness.h"

using namespace pmusim;
using namespace pmusim::test;

TEST_CASE("a restored PMU goes on as if nothing had happened in between") {
  Bench b("spr");
  b.wr(msr::kPerfEvtSel0, kInstructions | kOs | kEn);
  b.wr(msr::kPerfEvtSel0 + 1, kInstructions | kOs | kEn | cmask(1) | kEdge);
  b.cycle(4);
  const pmu::Pmu::Snapshot saved = b.pmu.save();
  const EventCounts counts = b.counts;
  b.cycle(0);
  b.cycle(4);
  b.wr(msr::kPerfEvtSel0, 0);
  b.counts = counts;
  b.pmu.restore(saved);
  b.cycle(4);  // no edge: the condition was already true
  CHECK(b.rd(msr::kPerfCtr0) == 8);
  CHECK(b.rd(msr::kPerfCtr0 + 1) == 1);
}

TEST_CASE("a snapshot of a CPU with other counters is refused") {
  Bench spr("spr"), skx("skx");
  CHECK_THROWS_AS(skx.pmu.restore(spr.pmu.save()), std::logic_error);
}
