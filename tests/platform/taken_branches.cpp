// SPDX-License-Identifier: Apache-2.0
// Random programs with interrupts, PMIs and faults: an observer of taken branches sees by blocks what it sees
// one instruction at a time.
#include "tests/support/taken_branches.h"

#include "tests/support/machine/random_guest.h"

using namespace pmusim;
using namespace pmusim::platform;
using namespace pmusim::platform::test;
using core::test::TakenRecorder;

namespace {

StopReport watch(const Image& image, const char* id, bool interval, bool step, TakenRecorder& seen) {
  MachineConfig c = config(id, 1);
  c.step = step;
  if (interval) c.model = &interval_model(id);
  Machine& m = machine();
  m.reset(c);
  m.load(image);
  m.cpu(0).core().attach(seen);
  const StopReport stop = m.run({50000000, 120});
  m.cpu(0).core().detach(seen);
  return stop;
}

}  // namespace

TEST_CASE("random programs take the same branches by blocks and one instruction at a time") {
  for (const char* id : {"spr", "zen4"})
    for (const bool interval : {false, true})
      for (u64 seed = 1; seed <= 3; ++seed) {
        CAPTURE(id);
        CAPTURE(interval);
        CAPTURE(seed);
        GuestPlan plan;
        plan.seed = seed;
        const Image image = random_guest(model(id), plan);
        TakenRecorder all, few(32), fast;
        const StopReport stepped = watch(image, id, interval, true, all);
        CHECK(watch(image, id, interval, false, fast).kind == stepped.kind);
        CHECK(watch(image, id, interval, false, few).kind == stepped.kind);
        CHECK(all.told > 1000);
        CHECK(std::any_of(all.branches.begin(), all.branches.end(),
                          [](const core::TakenBranch& b) { return b.event; }));
        core::test::check_same_branches(fast, all);
        core::test::check_same_branches(few, all);
      }
}
