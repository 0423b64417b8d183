// SPDX-License-Identifier: Apache-2.0
// An image in a virtual machine of the simulated KVM, and of this machine's.
#include <fmt/format.h>

#include <cerrno>
#include <cstring>

#include "arch/count.h"
#include "conformance/target_host_steps.h"
#include "conformance/target_simulator.h"
#include "hypervisor/kernel_kvm.h"
#include "hypervisor/simulated_kvm.h"
#include "hypervisor/vcpu.h"
#include "hypervisor/vmm.h"

namespace pmusim::conformance {
namespace {

hv::VmmConfig vmm_config(const TargetRun& run) {
  hv::VmmConfig config;
  config.image = *run.image;
  config.command_line = run.command_line;
  config.memory = run.memory;
  config.cpus = run.cpus;
  config.on_character = run.on_character;
  if (run.max_seconds != kNever) config.limit.wall_milliseconds = run.max_seconds * 1000;
  if (run.point.cpuid == "host") {
    config.cpuid = hv::CpuidChoice::Host;
  } else if (run.point.cpuid != "kvm") {
    config.cpuid = hv::CpuidChoice::Table;
    for (const CpuidEntry& e : read_cpuid_file(run.point.cpuid).table.entries) {
      kvm::CpuidEntry2 entry;
      entry.function = e.leaf;
      entry.index = e.subleaf;
      entry.flags = e.subleaf_matters ? kvm::kCpuidFlagSignificantIndex : 0;
      entry.eax = e.regs.eax;
      entry.ebx = e.regs.ebx;
      entry.ecx = e.regs.ecx;
      entry.edx = e.regs.edx;
      config.table.push_back(entry);
    }
  }
  return config;
}

void describe(const hv::VmmResult& result, Observation& seen) {
  seen.serial = result.serial;
  seen.exited = result.end == hv::VmmEnd::Exit;
  seen.exit_status = result.status;
  if (!seen.exited) seen.stopped = fmt::format("{}: {}", hv::vmm_end_name(result.end), result.detail);
}

// The VM's part of a run. The doorbell reaches the steps although they need the VMM to exist first.
hv::VmmResult run_vmm(const TargetRun& run, std::unique_ptr<hv::Vmm>& vmm, kvm::Hypervisor& hypervisor,
                      hv::SimulatedKvm* simulated) {
  auto steps = std::make_shared<std::unique_ptr<HostSteps>>();
  hv::VmmConfig config = vmm_config(run);
  config.limit.cycles = run.max_cycles;
  if (run.host_steps) config.on_doorbell = [steps](u32 number) { return (*steps)->ring(number); };
  vmm = std::make_unique<hv::Vmm>(hypervisor, std::move(config));
  if (run.host_steps) *steps = std::make_unique<HostSteps>(*run.host_steps, *vmm, simulated);
  if (!vmm->create()) return vmm->result();
  if (*steps) (*steps)->set_up();
  return vmm->run();
}

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

class KernelTarget final : public Target {
 public:
  std::string unmet(const TargetRun&) override {
    if (!hypervisor_) hypervisor_ = kvm::open_kernel_kvm(reason_);
    return hypervisor_ ? "" : reason_;
  }
  Observation run(const TargetRun& run) override {
    constexpr u64 kSeconds = 30;  // of wall time, for a case
    TargetRun limited = run;
    if (limited.max_seconds == kNever) limited.max_seconds = kSeconds;
    Observation seen;
    std::unique_ptr<hv::Vmm> vmm;
    describe(run_vmm(limited, vmm, *hypervisor_, nullptr), seen);
    return seen;
  }

 private:
  std::unique_ptr<kvm::Hypervisor> hypervisor_;
  std::string reason_;
};

}  // namespace

Observation Simulator::run_vm(const TargetRun& run) {
  platform::MachineConfig machine_config;
  machine_config.model = run.model;
  machine_config.cpus = run.cpus;
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
  config.events = run.sink;
  session_.kvm = std::make_unique<hv::SimulatedKvm>(machine(), std::move(config));
  Observation seen;
  describe(run_vmm(run, session_.vmm, *session_.kvm, session_.kvm.get()), seen);
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

std::unique_ptr<Target> make_kernel_kvm() {
  return std::make_unique<KernelTarget>();
}

}  // namespace pmusim::conformance
