// SPDX-License-Identifier: Apache-2.0
// Runs a VM and takes down what there is when it ends.
#include "vm_fixture.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "hypervisor/drivers/simulated_kvm.h"
#include "hypervisor/vpmu/policy_file.h"
#include "tests/support/machine/identity.h"
#include "tests/support/machine/recorded.h"

namespace pmusim::hv::test {

using namespace platform::test;

u64 VmRun::count(EventKind kind) const {
  return static_cast<u64>(
      std::count_if(events.begin(), events.end(), [&](const Event& e) { return e.kind == kind; }));
}

u64 VmRun::exits(const std::string& reason) const {
  for (const ExitStatistics::Row& row : statistics.rows)
    if (reason == row.name) return row.count;
  return 0;
}

VmRun run_vm(const platform::Image& image, const VmSetup& setup) {
  platform::MachineConfig config = platform::test::config(setup.model, setup.cpus);
  if (setup.interval) config.model = &interval_model(setup.model);
  config.quantum = setup.quantum;
  config.step = setup.step;
  Recorded recorded(config);
  HostConfig host;
  host.policy = shipped_policy(setup.policy);
  host.events = &recorded.list;
  host.forced_emulation_prefix = setup.forced_emulation;
  VmRun run;
  {
    SimulatedKvm kvm(machine(), host);
    VmmConfig c;
    c.image = image;
    c.memory = 16 << 20;
    c.cpus = setup.cpus;
    c.limit.cycles = setup.cycles;
    c.on_doorbell = setup.doorbell;
    c.edit_cpuid = setup.edit_cpuid;
    Vmm vmm(kvm, std::move(c));
    REQUIRE_MESSAGE(vmm.create(), vmm.result().detail);
    if (setup.created) setup.created(SimulatedKvm::simulated(vmm.vcpu(0)));
    run.result = vmm.run();
    run.statistics = SimulatedKvm::simulated(vmm.vcpu(0)).statistics();
    for (unsigned id = 0; id < setup.cpus; ++id) {
      platform::Cpu& cpu = machine().cpu(id);
      run.cycles.push_back(cpu.cycle());
      run.tscs.push_back(cpu.tsc());
      run.counts.push_back(cpu.core().counts());
    }
    if (setup.keep_memory) run.memory.assign(vmm.memory().data(), vmm.memory().data() + vmm.memory().size());
  }
  run.events = std::move(recorded.list.events);
  return run;
}

VmRun run_vm(const Assembler& code, const VmSetup& setup, std::vector<Part> more) {
  return run_vm(make_image(code, std::move(more)), setup);
}

void check_same(const VmRun& a, const VmRun& b) {
  CHECK(b.result.end == a.result.end);
  CHECK(b.result.status == a.result.status);
  CHECK(b.result.serial == a.result.serial);
  check_same_events(a.events, b.events);
  CHECK(b.cycles == a.cycles);
  CHECK(b.tscs == a.tscs);
  REQUIRE(b.counts.size() == a.counts.size());
  for (std::size_t id = 0; id < a.counts.size(); ++id) CHECK(b.counts[id] == a.counts[id]);
  CHECK((b.memory == a.memory));
}

}  // namespace pmusim::hv::test
