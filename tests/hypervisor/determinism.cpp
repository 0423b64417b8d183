// SPDX-License-Identifier: Apache-2.0
// A VM of four vCPUs that contend, interrupt each other and sample themselves: the same events to the cycle,
// the same text and the same end of every CPU, whatever the SystemC quantum, by blocks or by steps, and
// again.
#include <doctest/doctest.h>

#include <algorithm>

#include "hypervisor/drivers/simulated_kvm.h"
#include "hypervisor/drivers/vmm.h"
#include "hypervisor/vpmu/policy_file.h"
#include "tests/support/event_list.h"
#include "tests/support/machine/machine.h"
#include "tests/support/paths.h"
#include "tests/support/sanitized.h"

using namespace pmusim;
using namespace pmusim::hv;

namespace {

struct Run {
  VmmResult result;
  std::vector<Event> events;
  std::vector<u64> cycles;
  std::vector<EventCounts> counts;
};

Run run(const char* model, const char* policy, u64 quantum, bool step) {
  pmusim::test::EventList recorder;
  platform::Machine& machine = platform::test::machine();
  platform::MachineConfig config = platform::test::config(model, 4);
  config.sink = &recorder;
  config.quantum = quantum;
  config.step = step;
  machine.reset(config);
  HostConfig host;
  host.policy = shipped_policy(policy);
  host.events = &recorder;
  Run r;
  {
    SimulatedKvm kvm(machine, host);
    VmmConfig vmm_config;
    vmm_config.image = platform::load_image(pmusim::test::build("guests/smp_pmi.elf"));
    vmm_config.memory = 16 << 20;
    vmm_config.cpus = 4;
    vmm_config.limit.cycles = 1'000'000'000;
    Vmm vmm(kvm, std::move(vmm_config));
    REQUIRE_MESSAGE(vmm.create(), vmm.result().detail);
    r.result = vmm.run();
    for (unsigned id = 0; id < 4; ++id) {
      r.cycles.push_back(machine.cpu(id).cycle());
      r.counts.push_back(machine.cpu(id).core().counts());
    }
  }
  config.sink = nullptr;
  machine.reset(config);
  r.events = std::move(recorder.events);
  return r;
}

std::string text_of(const Event& e) {
  return doctest::toString(int(e.kind)).c_str() + std::string(" cpu ") + std::to_string(e.cpu) + " vcpu " +
         std::to_string(e.vcpu) + " cycle " + std::to_string(e.cycle) + " tsc " + std::to_string(e.tsc) +
         " " + std::to_string(e.a) + " " + std::to_string(e.b) + " " + std::to_string(e.write) +
         std::to_string(e.fault) + " " + e.text;
}

void check_same(const Run& a, const Run& b) {
  CHECK(b.result.serial == a.result.serial);
  CHECK(b.result.status == a.result.status);
  const std::size_t n = std::min(a.events.size(), b.events.size());
  for (std::size_t i = 0; i < n; ++i) {
    CAPTURE(i);
    const std::string x = text_of(a.events[i]), y = text_of(b.events[i]);
    if (x != y) REQUIRE(y == x);
  }
  CHECK(b.events.size() == a.events.size());
  CHECK(b.cycles == a.cycles);
  for (std::size_t id = 0; id < 4; ++id) CHECK(b.counts[id] == a.counts[id]);
}

}  // namespace

TEST_CASE("four contending vCPUs with PMIs end alike for any SystemC quantum, by blocks and by steps") {
  for (const char* model : {"spr", "zen4"})
    for (const char* policy : {"emulated", "mediated", "dedicated"}) {
      INFO(std::string(model) << " under " << std::string(policy));
      const bool steps = (model[0] == 's') == (policy[0] == 'e');  // slow: each policy on one vendor
      if (pmusim::test::kSanitized && !steps) continue;
      const Run first = run(model, policy, 1'000'000, false);
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
