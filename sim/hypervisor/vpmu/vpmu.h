// SPDX-License-Identifier: Apache-2.0
// The vPMU of one vCPU: guest-visible registers under the rule layers of a kernel release and a vCPU model,
// and what backs each asset of the policy: host perf events, context-switched hardware, or nothing but
// storage. Not modelled: guest PEBS and LBR (never offered), PERF_METRICS as a guest register.
#pragma once

#include <memory>
#include <string>

#include "arch/cpuid.h"
#include "hypervisor/hw/pmu_fields.h"
#include "hypervisor/vpmu/interception.h"
#include "hypervisor/vpmu/policy.h"
#include "hypervisor/vpmu/vcpu_hooks.h"
#include "model/cpu_model.h"
#include "platform/cpu/physical_cpu.h"

namespace pmusim::hv {

class HostPerf;
struct EventFilter;
struct VpmuStrategies;
class VpmuAudit;

class Vpmu {
 public:
  // strategies: nullptr means KVM's (default_strategies()); the injectable defects replace single ones.
  Vpmu(const Policy& policy, const CpuModel& host, KernelRelease release, HostPerf& perf, VcpuHooks& hooks,
       std::shared_ptr<const VpmuStrategies> strategies = nullptr);
  ~Vpmu();

  void set_cpuid(const CpuidTable& guest_cpuid);  // KVM_SET_CPUID2: what the guest has, all at its reset
  void disable();                                 // VM without PMU (KVM_PMU_CAP_DISABLE)
  const pmu::Caps& caps() const;
  bool enabled() const;
  const HandlingFacts& handling_facts() const;  // what the policy's conditions asked of this vCPU
  // PMU registers of the vCPU's vendor, and the legacy ones of both vendors, which never fault.
  bool owns_msr(u32 msr) const;
  pmu::Outcome get_msr(u32 msr, u64& value, bool host_initiated);
  pmu::Outcome set_msr(u32 msr, u64 value, bool host_initiated);
  bool rdpmc(u32 ecx, u64& value);  // false: #GP
  bool rdpmc_early_fault(u32 ecx);  // AMD: checked before the intercept
  // Reads and writes alike, with what decided it; the reason is for people.
  Interception interception(u32 msr) const;
  Interception rdpmc_interception() const;
  std::string interception_reason(u32 msr) const;
  std::string rdpmc_interception_reason() const;
  bool msr_intercepted(u32 msr) const { return interception(msr).intercepted; }
  bool rdpmc_intercepted() const { return rdpmc_interception().intercepted; }

  void handle_requests(platform::PhysicalCpu& cpu);  // KVM_REQ_PMU
  void deliver_pmi();                                // KVM_REQ_PMI
  // The slow path's brackets around the inner run loop, interrupts disabled.
  bool has_run() const;  // kvm_vcpu_has_run: the guest was or is about to be entered
  void load(platform::PhysicalCpu& cpu);
  void put(platform::PhysicalCpu& cpu);
  // Around each VM-entry, fast or slow.
  void prepare_entry(platform::PhysicalCpu& cpu, ControlBlockPmuFields& fields);
  void after_exit(platform::PhysicalCpu& cpu, ControlBlockPmuFields& fields);
  // The vCPU's thread is switched onto and off its physical CPU.
  void sched_in(platform::PhysicalCpu& cpu);
  void sched_out(platform::PhysicalCpu& cpu);
  // An instruction was emulated or skipped on the guest's behalf; `user`: at CPL > 0.
  void instruction_emulated(bool branch, bool user);
  bool fastpath_allowed() const;  // no counter that counts instructions is enabled
  void mediated_pmi();            // vector 0xF5 arrived
  void guest_mode_changed();      // EFER.SVME written, or L1 <-> L2: AMD's Host-Only and Guest-Only
  int set_filter(std::shared_ptr<const EventFilter> filter);

  VpmuAudit& audit();

 private:
  void refresh();  // kvm_pmu_refresh
  pmu::Outcome set_perf_capabilities(u64 value);

  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pmusim::hv
