// SPDX-License-Identifier: Apache-2.0
// What is common to all backings of a vPMU: identity, guest-visible registers, the filter, and KVM's
// questions about one counter (is it enabled, what does it count). Counters are numbered as in
// pmu/registers.h: GP n, kFixedBase + n.
#pragma once

#include <functional>
#include <memory>

#include "hypervisor/hw/pmu_fields.h"
#include "hypervisor/vpmu/event_filter.h"
#include "hypervisor/vpmu/kvm_rules.h"
#include "hypervisor/vpmu/policy.h"
#include "hypervisor/vpmu/vcpu_hooks.h"
#include "model/cpu_model.h"

namespace pmusim::hv {

class HostPerf;
class AuditProbe;
class VpmuBacking;
struct VpmuState;

// The parts of KVM's vPMU that can be exchanged: by a kernel release, or by an injected defect. Each default
// is the correct behaviour; a patched copy of default_strategies() is handed to the Vpmu.
struct VpmuStrategies {
  std::function<pmu::RuleLayer(const KvmRuleOptions&)> rules;
  std::function<pmu::Caps(const CpuidTable& guest, u64 perf_capabilities, const CpuModel& host)> caps;
  std::function<CpuidTable(const CpuModel& host, KernelRelease, bool counters_in_hardware)> supported_cpuid;
  std::function<u64(const pmu::Caps&, bool counters_in_hardware)> initial_global_ctrl;
  // False: #GP before anything else is looked at.
  std::function<bool(const pmu::Caps&, u32 ecx)> serves_rdpmc;
  std::function<int(const pmu::Caps&, u32 ecx)> rdpmc_counter;
  std::function<bool(const VpmuState&, unsigned counter)> filter_allows;
  // Does an emulated instruction (or branch) advance this counter?
  std::function<bool(const VpmuState&, unsigned counter, bool branch, bool user)> counts_emulated;
  std::function<bool(const CpuModel& host)> masks_lvtpc_on_pmi;
  std::function<std::unique_ptr<VpmuBacking>(VpmuState&)> host_perf_backing, hardware_backing;
};
std::shared_ptr<const VpmuStrategies> default_strategies();

struct VpmuState {
  const Policy* policy = nullptr;
  const CpuModel* host = nullptr;
  KernelRelease release = kDefaultRelease;
  HostPerf* perf = nullptr;
  VcpuHooks* hooks = nullptr;
  std::shared_ptr<const VpmuStrategies> strategies;

  pmu::Caps caps;  // version 0: no vPMU
  pmu::RuleLayer rules;
  pmu::Registers regs;  // guest-visible values; counters as the backing keeps them in memory
  HandlingFacts facts;
  std::shared_ptr<const EventFilter> filter;  // null: everything allowed
  u64 reprogram = 0;                          // counters to look at again before the next VM-entry
  bool locked_down = false;  // selectors are intercepted although the policy passes them through

  Handling handling(Asset asset) const;  // for this guest, lockdown considered
  u64 counters() const { return caps.counter_bits(); }
  u64 width_mask(unsigned counter) const;
  u64& stored(unsigned counter);  // the counter's value in `regs`
  u64 stored(unsigned counter) const;

  // What the counter counts, as a selector; a fixed counter's is the generic encoding with OS, USR and INT
  // set from its control nibble.
  u64 selector(unsigned counter) const;
  u64 control_nibble(unsigned fixed) const { return regs.fixed_ctrl >> (4 * fixed) & 0xf; }
  bool globally_enabled(unsigned counter) const;
  bool locally_enabled(unsigned counter) const;
  bool filter_allows(unsigned counter) const { return strategies->filter_allows(*this, counter); }
  bool mode_allows(unsigned counter) const;  // AMD Host-Only and Guest-Only as a guest uses them
  bool interrupts(unsigned counter) const;   // INT, or the fixed counter's PMI bit
  bool counts_instructions(unsigned counter) const;
  bool counts_branches(unsigned counter) const;

  void set_status(unsigned counter) { regs.global_status |= u64{1} << counter; }
  void request_reprogram(u64 which) {
    reprogram |= which;
    if (which) hooks->request_pmu();
  }
};

// What stands behind the guest's counters.
class VpmuBacking {
 public:
  explicit VpmuBacking(VpmuState& state) : s_(state) {}
  virtual ~VpmuBacking() = default;

  virtual void reset() = 0;  // vCPU redefined: forget everything
  virtual u64 read_counter(unsigned counter) = 0;
  virtual void write_counter(unsigned counter, u64 value) = 0;
  // Selectors, fixed control or global control.
  virtual void controls_written(const pmu::Registers& before) = 0;
  virtual void increment(unsigned counter) = 0;  // by an emulated instruction
  virtual void handle_requests(platform::PhysicalCpu& cpu) = 0;
  virtual bool fastpath_allowed() const = 0;
  // Before an emulated instruction is counted: the controls in `regs` become what the guest has programmed.
  virtual void learn_controls() {}
  // An increment goes to a counter that may run on in hardware meanwhile.
  virtual bool increments_hardware() const { return false; }

  virtual void filter_changed() { s_.request_reprogram(s_.counters()); }
  virtual void guest_mode_changed() {}  // EFER.SVME written, or L1 <-> L2
  virtual void pmi_taken() {}           // a physical PMI of the guest's counters reached the host

  // For the audit, without touching anything: the visible value, and the hardware counter behind it.
  virtual u64 peek(unsigned counter, const AuditProbe& probe) const = 0;
  virtual int physical(unsigned counter) const = 0;  // -1: none

  // Around accesses by the hypervisor: afterwards `regs` is true, and changes to it reach the hardware.
  virtual void begin_access() {}
  virtual void end_access() {}
  virtual void load(platform::PhysicalCpu&) {}
  virtual void put(platform::PhysicalCpu&) {}
  virtual void prepare_entry(platform::PhysicalCpu&, ControlBlockPmuFields&) {}
  virtual void after_exit(platform::PhysicalCpu&, ControlBlockPmuFields&) {}
  virtual void sched_in(platform::PhysicalCpu&) {}
  virtual void sched_out(platform::PhysicalCpu&) {}

 protected:
  VpmuState& s_;
};

// Shared PMU: GLOBAL_CTRL hides guest-only events from the host and host-only events from the guest.
void atomic_switch_perf_msrs(const HostPerf& perf, const platform::PhysicalCpu& cpu,
                             ControlBlockPmuFields& fields);

// Counters whose control differs between two register states: by selector, nibble or global bit.
u64 changed_counters(const VpmuState& state, const pmu::Registers& before);

}  // namespace pmusim::hv
