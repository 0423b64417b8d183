// SPDX-License-Identifier: Apache-2.0
// The vPMU's face: register accesses under the rules, RDPMC, interception, requests, PMI delivery.
#include "hypervisor/vpmu/vpmu.h"

#include <cerrno>

#include "arch/cpuid_features.h"
#include "arch/msr.h"
#include "base/bits.h"
#include "core/state/state.h"
#include "hypervisor/perf/host_perf.h"
#include "hypervisor/vpmu/audit.h"
#include "hypervisor/vpmu/register_assets.h"
#include "hypervisor/vpmu/vpmu_state.h"

namespace pmusim::hv {

using pmu::kFixedBase;
using pmu::Outcome;
using pmu::Reg;
using pmu::RegRef;

namespace {

constexpr u32 kLvtMasked = 1u << 16;

// The counter that a register holds, or -1.
int counter_of(pmu::Vendor vendor, RegRef ref) {
  const pmu::RegStorage storage = pmu::describe(vendor, ref.reg).storage;
  if (storage.array == &pmu::Registers::gp) return ref.index;
  if (storage.array == &pmu::Registers::fixed) return static_cast<int>(kFixedBase) + ref.index;
  return -1;
}

// Registers as one access sees them, the accessed counter with its live value.
void set_counter(pmu::Registers& regs, unsigned counter, u64 value) {
  (counter >= kFixedBase ? regs.fixed[counter - kFixedBase] : regs.gp[counter]) = value;
}
u64 get_counter(const pmu::Registers& regs, unsigned counter) {
  return counter >= kFixedBase ? regs.fixed[counter - kFixedBase] : regs.gp[counter];
}

}  // namespace

struct Vpmu::Impl {
  VpmuState s;
  std::unique_ptr<VpmuBacking> backing;
  VpmuAudit audit;
  CpuidTable guest_cpuid;
  u64 perf_capabilities = 0;  // as userspace wrote it, whether the guest has the register or not
  bool disabled = false, has_run = false;

  // A register that guests (or userspace) can reach under rules and policy.
  bool present(RegRef ref, bool host_initiated) const {
    return decided_by(ref, host_initiated) == DecidedBy::Policy;
  }
  // What makes the register absent, or else the policy, which says how it is handled.
  DecidedBy decided_by(RegRef ref, bool host_initiated) const {
    if (s.caps.version == 0) return DecidedBy::NoPmu;
    if (s.handling(asset_of(ref.reg)) == Handling::Hidden) return DecidedBy::HiddenAsset;
    const pmu::Rule& rule = s.rules[ref.reg];
    return rule.exists && rule.exists({s.caps, ref.index, host_initiated}) ? DecidedBy::Policy
                                                                           : DecidedBy::KvmRule;
  }
  // Userspace may read, and write 0 to, MSRs that it was told to save although this vCPU lacks them.
  bool saved_by_userspace(u32 msr) const {
    for (u32 known : kvm_msrs_to_save(*s.host))
      if (known == msr) return true;
    return false;
  }
};

Vpmu::Vpmu(const Policy& policy, const CpuModel& host, KernelRelease release, HostPerf& perf,
           VcpuHooks& hooks, std::shared_ptr<const VpmuStrategies> strategies)
    : impl_(std::make_unique<Impl>()) {
  VpmuState& s = impl_->s;
  s.policy = &policy;
  s.host = &host;
  s.release = release;
  s.perf = &perf;
  s.hooks = &hooks;
  s.strategies = strategies ? std::move(strategies) : default_strategies();
  s.caps.vendor = host.vendor;
  impl_->perf_capabilities = kvm_supported_perf_capabilities(host);
  KvmRuleOptions options;
  options.vendor = host.vendor;
  options.release = release;
  s.rules = s.strategies->rules(options);
  impl_->backing =
      policy.counters_in_hardware() ? s.strategies->hardware_backing(s) : s.strategies->host_perf_backing(s);
}

Vpmu::~Vpmu() = default;

void Vpmu::set_cpuid(const CpuidTable& guest_cpuid) {
  impl_->guest_cpuid = guest_cpuid;
  refresh();
}

void Vpmu::refresh() {
  VpmuState& s = impl_->s;
  impl_->backing->reset();
  s.regs = {};
  s.reprogram = 0;
  s.caps = {};
  s.caps.vendor = s.host->vendor;
  if (!impl_->disabled) s.caps = s.strategies->caps(impl_->guest_cpuid, impl_->perf_capabilities, *s.host);
  KvmRuleOptions options;
  options.vendor = s.host->vendor;
  options.release = s.release;
  options.counters_in_hardware = s.policy->counters_in_hardware();
  options.guest_svm = guest_has_svm(impl_->guest_cpuid);
  options.guest_ds = guest_has_ds(impl_->guest_cpuid);
  s.rules = s.strategies->rules(options);
  s.facts = hv::handling_facts(s.caps, s.host->caps);
  s.regs.global_ctrl = s.strategies->initial_global_ctrl(s.caps, options.counters_in_hardware);
  impl_->audit.restart();
  s.hooks->request_recalc_intercepts();
}

void Vpmu::disable() {
  impl_->disabled = true;
  refresh();
}

const pmu::Caps& Vpmu::caps() const {
  return impl_->s.caps;
}
const HandlingFacts& Vpmu::handling_facts() const {
  return impl_->s.facts;
}
bool Vpmu::enabled() const {
  return impl_->s.caps.version != 0;
}

bool Vpmu::owns_msr(u32 msr) const {
  return kvm_legacy_pmu_msr(msr) || pmu::find_register(impl_->s.host->vendor, msr).has_value();
}

Outcome Vpmu::get_msr(u32 msr, u64& value, bool host_initiated) {
  VpmuState& s = impl_->s;
  value = 0;
  const auto ref = pmu::find_register(s.host->vendor, msr);
  if (!ref || !impl_->present(*ref, host_initiated)) {
    const Outcome outcome = s.rules.absent(msr, s.caps, false);
    return outcome == Outcome::Fault && host_initiated && impl_->saved_by_userspace(msr) ? Outcome::Ignored
                                                                                         : outcome;
  }
  impl_->backing->begin_access();
  Outcome outcome;
  if (const int counter = counter_of(s.host->vendor, *ref); counter >= 0) {
    pmu::Registers view = s.regs;
    set_counter(view, static_cast<unsigned>(counter),
                impl_->backing->read_counter(static_cast<unsigned>(counter)));
    outcome = s.rules.read(msr, s.caps, view, host_initiated, value);
  } else {
    outcome = s.rules.read(msr, s.caps, s.regs, host_initiated, value);
  }
  impl_->backing->end_access();
  return outcome;
}

// kvm_set_msr_common, MSR_IA32_PERF_CAPABILITIES by userspace: the vCPU model must have PDCM; a feature MSR
// keeps its value once the vCPU has run.
Outcome Vpmu::set_perf_capabilities(u64 value) {
  if (!impl_->guest_cpuid.has(cpuid::kPdcm)) return Outcome::Fault;
  if (value & ~kvm_supported_perf_capabilities(*impl_->s.host)) return Outcome::Fault;
  if (value == impl_->perf_capabilities) return Outcome::Ok;
  if (impl_->has_run) return Outcome::Fault;
  impl_->perf_capabilities = value;
  refresh();
  return Outcome::Ok;
}

Outcome Vpmu::set_msr(u32 msr, u64 value, bool host_initiated) {
  VpmuState& s = impl_->s;
  if (msr == msr::kPerfCapabilities && host_initiated) return set_perf_capabilities(value);
  const auto ref = pmu::find_register(s.host->vendor, msr);
  if (!ref || !impl_->present(*ref, host_initiated)) {
    const Outcome outcome = s.rules.absent(msr, s.caps, true);
    const bool tolerated = host_initiated && value == 0 && impl_->saved_by_userspace(msr);
    return outcome == Outcome::Fault && tolerated ? Outcome::Ignored : outcome;
  }
  impl_->audit.before_change(s, *impl_->backing);
  impl_->backing->begin_access();
  Outcome outcome;
  if (const int n = counter_of(s.host->vendor, *ref); n >= 0) {
    const unsigned counter = static_cast<unsigned>(n);
    pmu::Registers view = s.regs;
    outcome = s.rules.write(msr, s.caps, view, host_initiated, value);
    if (outcome == Outcome::Ok) impl_->backing->write_counter(counter, get_counter(view, counter));
  } else {
    const pmu::Registers before = s.regs;
    outcome = s.rules.write(msr, s.caps, s.regs, host_initiated, value);
    if (outcome == Outcome::Ok) impl_->backing->controls_written(before);
  }
  impl_->backing->end_access();
  impl_->audit.after_write(s, *impl_->backing, *ref);
  return outcome;
}

bool Vpmu::rdpmc(u32 ecx, u64& value) {
  VpmuState& s = impl_->s;
  if (!s.strategies->serves_rdpmc(s.caps, ecx)) return false;
  if (ecx >= 0x10000 && ecx <= 0x10002) {  // VMware's pseudo counters, before any check of CPL or PCE
    const platform::PhysicalCpu* cpu = s.hooks->cpu();
    const u64 tsc = cpu ? cpu->tsc() : 0;
    value = ecx == 0x10000 ? tsc : s.host->nanoseconds_per_tick().floor(tsc);
    return true;
  }
  const int counter = s.strategies->rdpmc_counter(s.caps, ecx);
  if (counter < 0) return false;
  if (!(s.hooks->guest_cr4() & core::kCr4Pce) && s.hooks->guest_cpl() != 0 &&
      s.hooks->guest_cr0() & core::kCr0Pe)
    return false;
  impl_->backing->begin_access();
  value = impl_->backing->read_counter(static_cast<unsigned>(counter)) &
          s.width_mask(static_cast<unsigned>(counter));
  impl_->backing->end_access();
  return true;
}

bool Vpmu::rdpmc_early_fault(u32 ecx) {
  const VpmuState& s = impl_->s;
  return s.host->vendor == pmu::Vendor::Amd && s.strategies->rdpmc_counter(s.caps, ecx) < 0;
}

Interception Vpmu::interception(u32 msr) const {
  const VpmuState& s = impl_->s;
  Interception result;
  const auto ref = pmu::find_register(s.host->vendor, msr);
  if (!ref) return result;
  result.decided = impl_->decided_by(*ref, false);
  result.asset = asset_of(ref->reg);
  result.handling = s.handling(result.asset);
  result.intercepted = result.decided != DecidedBy::Policy || result.handling != Handling::Passthrough;
  return result;
}

Interception Vpmu::rdpmc_interception() const {
  const Handling handling = impl_->s.handling(Asset::Rdpmc);
  if (!enabled()) return {true, DecidedBy::NoPmu, Asset::Rdpmc, handling};
  return {handling != Handling::Passthrough, DecidedBy::Policy, Asset::Rdpmc, handling};
}

std::string Vpmu::interception_reason(u32 msr) const {
  return interception_text(impl_->s, msr, interception(msr));
}
std::string Vpmu::rdpmc_interception_reason() const {
  return interception_text(impl_->s, 0, rdpmc_interception());
}

void Vpmu::handle_requests(platform::PhysicalCpu& cpu) {
  impl_->backing->handle_requests(cpu);
}

void Vpmu::deliver_pmi() {
  VpmuState& s = impl_->s;
  const auto report = [&](const char* what) {
    Event event{};
    event.kind = EventKind::Pmi;
    event.a = s.hooks->has_in_kernel_apic() ? s.hooks->virtual_lvtpc() & 0xff : 0;
    event.text = what;
    s.hooks->emit(std::move(event));
  };
  if (!s.hooks->has_in_kernel_apic()) return report("drop");
  const u32 lvtpc = s.hooks->virtual_lvtpc();
  if (!s.hooks->deliver_virtual_lvtpc()) return report("drop");  // masked: lost, the status remains
  report("queue");
  const u32 after = s.strategies->masks_lvtpc_on_pmi(*s.host) ? lvtpc | kLvtMasked : lvtpc;
  if (s.hooks->virtual_lvtpc() != after) s.hooks->set_virtual_lvtpc(after);
}

bool Vpmu::has_run() const {
  return impl_->has_run;
}

void Vpmu::load(platform::PhysicalCpu& cpu) {
  impl_->has_run = true;
  if (enabled()) impl_->backing->load(cpu);
}
void Vpmu::put(platform::PhysicalCpu& cpu) {
  if (enabled()) impl_->backing->put(cpu);
}
void Vpmu::prepare_entry(platform::PhysicalCpu& cpu, ControlBlockPmuFields& fields) {
  impl_->has_run = true;
  if (enabled()) {
    impl_->backing->prepare_entry(cpu, fields);
    impl_->audit.entered(impl_->s, *impl_->backing, cpu.id());
  } else {
    atomic_switch_perf_msrs(*impl_->s.perf, cpu, fields);
  }
}
void Vpmu::after_exit(platform::PhysicalCpu& cpu, ControlBlockPmuFields& fields) {
  if (!enabled()) return;
  impl_->audit.exited(impl_->s, *impl_->backing);
  impl_->backing->after_exit(cpu, fields);
}
void Vpmu::sched_in(platform::PhysicalCpu& cpu) {
  if (enabled() || !impl_->s.policy->counters_in_hardware()) impl_->backing->sched_in(cpu);
}
void Vpmu::sched_out(platform::PhysicalCpu& cpu) {
  if (enabled() || !impl_->s.policy->counters_in_hardware()) impl_->backing->sched_out(cpu);
}

void Vpmu::instruction_emulated(bool branch, bool user) {
  const VpmuState& s = impl_->s;
  const bool counted = s.policy->count_emulated;
  impl_->backing->learn_controls();
  impl_->audit.before_change(s, *impl_->backing);
  for (const unsigned counter : set_bits(s.counters())) {
    u64 times = s.strategies->counts_emulated(s, counter, false, user);
    if (branch) times += s.strategies->counts_emulated(s, counter, true, user);
    for (u64 i = 0; counted && i < times; ++i) impl_->backing->increment(counter);
    impl_->audit.after_emulated(s, *impl_->backing, counter, branch, user, counted ? times : 0);
  }
}

bool Vpmu::fastpath_allowed() const {
  return impl_->backing->fastpath_allowed();
}

void Vpmu::mediated_pmi() {
  impl_->backing->pmi_taken();
  impl_->s.hooks->request_pmi();
}

void Vpmu::guest_mode_changed() {
  impl_->backing->guest_mode_changed();
}

int Vpmu::set_filter(std::shared_ptr<const EventFilter> filter) {
  VpmuState& s = impl_->s;
  const bool unseen = s.handling(Asset::EventSelectors) == Handling::Passthrough ||
                      s.handling(Asset::FixedCtrCtrl) == Handling::Passthrough;
  if (filter && unseen) {
    // Selectors that the guest writes directly cannot be filtered; a policy may take them back while running.
    if (!s.policy->lockdown_on_erratum) return -EOPNOTSUPP;
    impl_->backing->begin_access();
    s.locked_down = true;
    impl_->backing->controls_written({});  // as if the guest had written them now, seen by the hypervisor
    impl_->backing->end_access();
    s.hooks->request_recalc_intercepts();
  }
  s.filter = std::move(filter);
  impl_->backing->filter_changed();
  return 0;
}

VpmuAudit& Vpmu::audit() {
  return impl_->audit;
}

}  // namespace pmusim::hv
