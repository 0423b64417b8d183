// SPDX-License-Identifier: Apache-2.0
// An image in a virtual machine of the simulated KVM.
#include <fmt/format.h>

#include <map>
#include <memory>

#include "arch/event_counts.h"
#include "base/bits.h"
#include "hypervisor/drivers/simulated_kvm.h"
#include "hypervisor/drivers/vmm.h"
#include "hypervisor/kvm/vcpu.h"
#include "hypervisor/vpmu/audit.h"
#include "hypervisor/vpmu/vpmu.h"
#include "session/msr_name.h"
#include "session/simulator.h"
#include "session/vmm_run.h"

namespace pmusim::session {
namespace {

void add_exits(const hv::ExitStatistics& statistics, pmu::Vendor vendor, unsigned id, Observation& seen) {
  const std::string vcpu = fmt::format("vcpu{}.", id);
  for (const hv::ExitStatistics::Row& row : statistics.rows) {
    seen.exits[row.name] += row.count;
    seen.stats.push_back({vcpu + "exits." + row.name, row.count, "exits"});
    seen.stats.push_back({vcpu + "exit_cycles." + row.name, row.host_cycles, "cycles"});
  }
  const auto add_access = [&](const std::string& what, const hv::ExitStatistics::AccessTotal& total) {
    seen.stats.push_back({vcpu + "msr_exits." + what, total.count, "exits"});
    seen.stats.push_back({vcpu + "msr_exit_cycles." + what, total.host_cycles, "cycles"});
  };
  for (const auto& [access, total] : statistics.accesses)
    add_access((access.write ? "write." : "read.") + msr_name(vendor, access.msr), total);
  if (statistics.other_accesses.count) add_access("others", statistics.other_accesses);
  seen.stats.push_back({vcpu + "exits", statistics.exits(), "exits"});
  seen.stats.push_back({vcpu + "entries", statistics.entries, "entries"});
  seen.stats.push_back({vcpu + "fastpath_exits", statistics.fastpath, "exits"});
  seen.stats.push_back({vcpu + "user_exits", statistics.user_exits, "exits"});
  seen.stats.push_back({vcpu + "injected_interrupts", statistics.injected_interrupts, "interrupts"});
  seen.stats.push_back({vcpu + "injected_nmis", statistics.injected_nmis, "interrupts"});
  seen.stats.push_back({vcpu + "halts", statistics.halts, "halts"});
  seen.stats.push_back({vcpu + "guest_cycles", statistics.guest_cycles, "cycles"});
  seen.stats.push_back({vcpu + "host_cycles", statistics.host_cycles, "cycles"});
}

}  // namespace

// What the audit may look at: the simulated hardware, past every policy.
class Simulator::Probe final : public hv::AuditProbe {
 public:
  explicit Probe(platform::Machine& machine) : machine_(machine) {}
  const EventCounts& counts(unsigned cpu) const override {
    machine_.cpu(cpu).core().sync();
    return machine_.cpu(cpu).core().counts();
  }
  u64 counter(unsigned cpu, unsigned counter) const override {
    machine_.cpu(cpu).core().sync();
    return machine_.cpu(cpu).pmu().counter_value(counter);
  }
  pmu::Pmu::Advances advances(unsigned cpu, unsigned counter) const override {
    machine_.cpu(cpu).core().sync();
    return machine_.cpu(cpu).pmu().advances(counter);
  }
  void follow(unsigned cpu, hv::VpmuAudit* audit) override {
    std::unique_ptr<Follower>& follower = followers_[cpu];
    follower.reset();
    if (audit) follower = std::make_unique<Follower>(machine_.cpu(cpu), *audit);
  }

 private:
  class Follower final : private pmu::PmuClient {
   public:
    Follower(platform::Cpu& cpu, hv::VpmuAudit& audit) : cpu_(cpu), audit_(audit) {
      cpu_.pmu().add_client(*this);
    }
    ~Follower() override { cpu_.pmu().remove_client(*this); }

   private:
    void on_change(u32 msr) override {
      if (cpu_.core().context() >= context_of(World::Guest, false))
        audit_.guest_changed(msr, cpu_.pmu(), cpu_.core().counts());
    }
    platform::Cpu& cpu_;
    hv::VpmuAudit& audit_;
  };

  platform::Machine& machine_;
  std::map<unsigned, std::unique_ptr<Follower>> followers_;  // by CPU
};

Observation Simulator::run_vm(const TargetRun& run) {
  platform::MachineConfig machine_config;
  machine_config.model = run.model;
  machine_config.cpus = run.cpus;
  machine_config.sync_window = run.sync_window;
  machine_config.memory = 1 << 20;  // the guest's memory is the VMM's
  machine_config.step = run.step;
  machine_config.seed = run.seed;
  machine_config.sink = run.sink;
  machine_config.on_poll = progress_of(run);
  machine().reset(machine_config);
  // Only now may what the machine's threads were running be destroyed.
  end_session();

  hv::HostConfig config;
  config.policy = *run.policy;
  config.release = run.release;
  config.costs = run.host_costs;
  config.strategies = run.strategies;
  config.forced_emulation_prefix = run.machine_setup().forced_emulation;
  config.events = run.sink;
  session_.kvm = std::make_unique<hv::SimulatedKvm>(machine(), std::move(config));
  session_.probe = std::make_unique<Probe>(machine());
  const auto attach = [&] {
    if (!run.audit) return;
    for (unsigned id = 0; id < run.cpus; ++id) machine().cpu(id).pmu().track_advances(true);
    for (unsigned id = 0; id < session_.vmm->vcpus(); ++id)
      hv::SimulatedKvm::simulated(session_.vmm->vcpu(id)).vpmu().audit().attach(session_.probe.get());
  };
  Observation seen;
  session::describe(run_vmm(run, session_.vmm, *session_.kvm, session_.kvm.get(), attach), seen);
  if (!seen.exited) report_stop(seen);
  seen.host_side = true;
  if (session_.vmm->vcpus())
    seen.facts = hv::SimulatedKvm::simulated(session_.vmm->vcpu(0)).vpmu().handling_facts();
  for (unsigned id = 0; id < session_.vmm->vcpus(); ++id)
    add_exits(hv::SimulatedKvm::simulated(session_.vmm->vcpu(id)).statistics(), run.model->vendor, id, seen);
  for (unsigned id = 0; run.audit && id < session_.vmm->vcpus(); ++id) {
    hv::Vpmu& vpmu = hv::SimulatedKvm::simulated(session_.vmm->vcpu(id)).vpmu();
    for (const unsigned counter : set_bits(vpmu.caps().counter_bits())) {
      add_audit(id, counter, vpmu.audit().programmed(counter), vpmu.audit().line(counter), seen);
    }
  }
  count(run, seen);
  return seen;
}

// What each vCPU was doing, each CPU once. A vCPU that is in the guest has its state in the CPU.
void Simulator::report_stop(Observation& seen) {
  const platform::StopReport& stop = session_.kvm->last_stop();
  if (stop.kind == platform::StopKind::Unimplemented || stop.kind == platform::StopKind::GuestError)
    seen.stopped = stopped_text(stop);
  for (unsigned id = 0; id < session_.vmm->vcpus(); ++id) {
    hv::Vcpu& vcpu = hv::SimulatedKvm::simulated(session_.vmm->vcpu(id));
    core::Core& core = machine().cpu(vcpu.placed_on()).core();
    platform::CpuReport report = platform::describe_core(core);
    if (core.world() == World::Host) {
      report.registers = platform::describe_registers(vcpu.state());
      report.disassembly.clear();
    }
    seen.report += fmt::format("vCPU {} on CPU {} at cycle {}: {}\n", id, vcpu.placed_on(),
                               machine().cpu(vcpu.placed_on()).cycle(), vcpu.waits_for());
    seen.report += report.state_text();
  }
}

void Simulator::end_session() {
  session_.vmm.reset();
  session_.kvm.reset();
  session_.probe.reset();
}

}  // namespace pmusim::session
