// SPDX-License-Identifier: Apache-2.0
// An image in a virtual machine of the simulated KVM.
#include <fmt/format.h>

#include "conformance/case_setup.h"
#include "conformance/target_simulator.h"
#include "conformance/target_vmm.h"
#include "hypervisor/simulated_kvm.h"
#include "hypervisor/vcpu.h"
#include "hypervisor/vmm.h"

namespace pmusim::conformance {
namespace {

void add_exits(const hv::ExitStatistics& statistics, unsigned id, Observation& seen) {
  const std::string vcpu = fmt::format("vcpu{}.", id);
  for (const hv::ExitStatistics::Row& row : statistics.rows) {
    seen.exits[row.name] += row.count;
    seen.stats.push_back({vcpu + "exits." + row.name, row.count, "exits"});
    seen.stats.push_back({vcpu + "exit_cycles." + row.name, row.host_cycles, "cycles"});
  }
  seen.stats.push_back({vcpu + "exits", statistics.exits(), "exits"});
  seen.stats.push_back({vcpu + "entries", statistics.entries, "entries"});
  seen.stats.push_back({vcpu + "fastpath_exits", statistics.fastpath, "exits"});
  seen.stats.push_back({vcpu + "user_exits", statistics.user_exits, "exits"});
  seen.stats.push_back({vcpu + "injected_interrupts", statistics.injected_interrupts, "interrupts"});
  seen.stats.push_back({vcpu + "injected_nmis", statistics.injected_nmis, "interrupts"});
  seen.stats.push_back({vcpu + "halts", statistics.halts, "halts"});
  seen.stats.push_back({vcpu + "guest_cycles", statistics.guest_cycles, "cycles"});
  seen.stats.push_back({vcpu + "host_cycles", statistics.host_cycles, "cycles"});
  seen.host_cycles += statistics.host_cycles;
}

}  // namespace

Observation Simulator::run_vm(const TargetRun& run) {
  platform::MachineConfig machine_config;
  machine_config.model = run.model;
  machine_config.cpus = run.cpus;
  machine_config.sync_window = run.sync_window;
  machine_config.memory = 1 << 20;  // the guest's memory is the VMM's
  machine_config.step = run.step;
  machine_config.sink = run.sink;
  machine().reset(machine_config);
  // Only now may what the machine's threads were running be destroyed.
  end_session();

  hv::HostConfig config;
  config.policy = *run.policy;
  config.release = run.release;
  config.strategies = run.strategies;
  config.forced_emulation_prefix = machine_setup(run.host_steps).forced_emulation;
  config.events = run.sink;
  session_.kvm = std::make_unique<hv::SimulatedKvm>(machine(), std::move(config));
  Observation seen;
  conformance::describe(run_vmm(run, session_.vmm, *session_.kvm, session_.kvm.get()), seen);
  if (!seen.exited) seen.report = session_.kvm->last_stop().text();
  seen.host_side = true;
  for (unsigned id = 0; id < session_.vmm->vcpus(); ++id)
    add_exits(hv::SimulatedKvm::simulated(session_.vmm->vcpu(id)).statistics(), id, seen);
  count(run, seen);
  return seen;
}

void Simulator::end_session() {
  session_.vmm.reset();
  session_.kvm.reset();
}

}  // namespace pmusim::conformance
