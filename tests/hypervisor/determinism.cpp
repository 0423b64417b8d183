// SPDX-License-Identifier: Apache-2.0
// A VM of four vCPUs that contend, interrupt each other and sample themselves: the same events to the cycle,
// the same text and the same end of every CPU, whatever the SystemC quantum, by blocks or by steps, and
// again.
#include <doctest/doctest.h>

#include <algorithm>

#include "tests/support/paths.h"
#include "tests/support/sanitized.h"
#include "vm_fixture.h"

using namespace pmusim;
using namespace pmusim::hv;
using namespace pmusim::hv::test;

namespace {

VmRun run(const char* model, const char* policy, u64 quantum, bool step) {
  VmSetup setup;
  setup.model = model;
  setup.policy = policy;
  setup.cpus = 4;
  setup.quantum = quantum;
  setup.step = step;
  setup.cycles = 1'000'000'000;
  return run_vm(platform::load_image(pmusim::test::build("guests/smp_pmi.elf")), setup);
}

}  // namespace

TEST_CASE("four contending vCPUs with PMIs end alike for any SystemC quantum, by blocks and by steps") {
  for (const char* model : {"spr", "zen4"})
    for (const char* policy : {"emulated", "mediated", "dedicated"}) {
      INFO(std::string(model) << " under " << std::string(policy));
      const bool steps = (model[0] == 's') == (policy[0] == 'e');  // slow: each policy on one vendor
      if (pmusim::test::kSanitized && !steps) continue;
      const VmRun first = run(model, policy, 1'000'000, false);
      INFO(first.result.serial);
      REQUIRE(first.result.end == VmmEnd::Exit);
      CHECK(first.result.status == 1);
      CHECK(std::count_if(first.events.begin(), first.events.end(),
                          [](const Event& e) { return e.kind == EventKind::Overflow; }) >= 4 * 5);
      // A counter that wraps while a guest runs names the vCPU, one that wraps in the host's hands does not.
      bool in_guest[4] = {};
      for (const Event& e : first.events) {
        if (e.kind == EventKind::Entry || e.kind == EventKind::Exit)
          in_guest[e.cpu] = e.kind == EventKind::Entry;
        if (e.kind == EventKind::Overflow && e.vcpu >= 0) CHECK(in_guest[e.cpu]);
      }
      for (s8 id = 0; id < 4; ++id)
        CHECK(std::any_of(first.events.begin(), first.events.end(),
                          [&](const Event& e) { return e.kind == EventKind::Overflow && e.vcpu == id; }));
      check_same(first, run(model, policy, 777, false));
      if (!pmusim::test::kSanitized) check_same(first, run(model, policy, 50'000, false));
      if (steps && (!pmusim::test::kSanitized || policy[0] == 'm'))
        check_same(first, run(model, policy, 1'000'000, true));
    }
}
