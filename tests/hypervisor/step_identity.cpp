// SPDX-License-Identifier: Apache-2.0
// Random programs of one to four vCPUs, with faults, PMIs, a timer and IPIs, under the policies and in both
// timings: by blocks, by steps and with another quantum the same events to the cycle, counters and memory.
// The guest's PMU is what KVM offers: three fixed counters. PMUSIM_IDENTITY_PROGRAMS and PMUSIM_IDENTITY_SEED
// in the environment ask for more programs of each model and policy (docs/validation.md).
#include <doctest/doctest.h>

#include "hypervisor/drivers/simulated_kvm.h"
#include "hypervisor/drivers/vmm.h"
#include "hypervisor/vpmu/policy_file.h"
#include "tests/support/event_list.h"
#include "tests/support/machine/identity.h"
#include "tests/support/machine/random_guest.h"
#include "tests/support/sanitized.h"

using namespace pmusim;
using namespace pmusim::hv;
using namespace pmusim::platform::test;

namespace {

constexpr u64 kMemory = 16 << 20;

Policy preset(const char* name) {
  return shipped_policy(name);
}

struct Run {
  VmmResult result;
  std::vector<Event> events;
  std::vector<u64> cycles, tscs;
  std::vector<EventCounts> counts;
  std::vector<u8> memory;
};

struct How {
  const CpuModel& model;
  const char* policy;
  unsigned cpus;
  u64 quantum = 1'000'000;
  bool step = false;
};

Run run(const platform::Image& image, const How& how) {
  pmusim::test::EventList recorder;
  platform::MachineConfig config = platform::test::config(how.model.id, how.cpus);
  config.model = &how.model;
  config.sink = &recorder;
  config.quantum = how.quantum;
  config.step = how.step;
  machine().reset(config);
  HostConfig host;
  host.policy = preset(how.policy);
  host.events = &recorder;
  Run r;
  {
    SimulatedKvm kvm(machine(), host);
    VmmConfig c;
    c.image = image;
    c.memory = kMemory;
    c.cpus = how.cpus;
    c.limit.cycles = 200'000'000;
    Vmm vmm(kvm, std::move(c));
    REQUIRE_MESSAGE(vmm.create(), vmm.result().detail);
    r.result = vmm.run();
    for (unsigned id = 0; id < how.cpus; ++id) {
      platform::Cpu& cpu = machine().cpu(id);
      r.cycles.push_back(cpu.cycle());
      r.tscs.push_back(cpu.tsc());
      r.counts.push_back(cpu.core().counts());
    }
    r.memory.assign(vmm.memory().data(), vmm.memory().data() + kMemory);
  }
  config.sink = nullptr;
  machine().reset(config);
  r.events = std::move(recorder.events);
  return r;
}

void check_same(const Run& a, const Run& b) {
  CHECK(b.result.end == a.result.end);
  CHECK(b.result.status == a.result.status);
  check_same_events(a.events, b.events);
  CHECK(b.cycles == a.cycles);
  CHECK(b.tscs == a.tscs);
  for (std::size_t id = 0; id < std::min(a.counts.size(), b.counts.size()); ++id)
    CHECK(b.counts[id] == a.counts[id]);
  CHECK((b.memory == a.memory));
}

}  // namespace

TEST_CASE("random programs in virtual machines are the same by blocks, by steps and with any quantum") {
  const u64 programs = identity_setting("PMUSIM_IDENTITY_PROGRAMS", pmusim::test::repeated(2, 1)),
            first = identity_setting("PMUSIM_IDENTITY_SEED", 1);
  for (const std::string& id : models::model_ids())
    for (const char* policy : {"emulated", "mediated", "dedicated"}) {
      u64 pmis = 0, exits = 0;
      if (!unmet(preset(policy), platform::test::model(id)).empty()) continue;
      for (u64 seed = first; seed < first + programs; ++seed) {
        INFO(id << " under " << std::string(policy));
        CAPTURE(seed);
        const bool interval = seed % 2 == 0;
        const CpuModel& model = interval ? interval_model(id) : platform::test::model(id);
        GuestPlan plan;
        plan.seed = seed;
        plan.cpus = static_cast<unsigned>(1 + seed / 2 % 4);
        plan.timer_scale = 64;  // longer than an interrupt takes under the emulated policy
        plan.units = 60;
        CAPTURE(plan.cpus);
        CpuModel offered = model;
        offered.caps.fixed_mask &= 7;
        const platform::Image image = random_guest(offered, plan);
        How how{model, policy, plan.cpus};
        const Run blocks = run(image, how);
        CAPTURE(blocks.result.detail);
        REQUIRE(blocks.result.end == VmmEnd::Exit);
        REQUIRE(blocks.result.status == 1);
        how.step = true;
        check_same(blocks, run(image, how));
        how.step = false;
        how.quantum = 777;
        check_same(blocks, run(image, how));
        for (const Event& e : blocks.events) {
          pmis += e.kind == EventKind::Pmi;
          exits += e.kind == EventKind::Exit;
        }
      }
      MESSAGE(id << " under " << std::string(policy) << ": " << pmis << " PMIs, " << exits << " exits");
      CHECK(exits > 20 * programs);
    }
}
