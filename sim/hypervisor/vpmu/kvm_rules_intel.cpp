// SPDX-License-Identifier: Apache-2.0
// KVM's rules for Intel PMU registers (vmx/pmu_intel.c, pmu.c). Reserved and read-only writes fault.
// Registers without a rule here (GLOBAL_STATUS_SET, GLOBAL_INUSE, PERF_METRICS, PEBS) do not exist for
// guests.
#include "arch/evtsel.h"
#include "arch/linear_address.h"
#include "base/bits.h"
#include "hypervisor/vpmu/kvm_rules_vendor.h"

namespace pmusim::hv {

using pmu::Access;
using pmu::Caps;
using pmu::Outcome;
using pmu::Reg;
using pmu::Registers;

namespace {

// Bits 63:32 and AnyThread. Pin control (bit 19) is accepted.
constexpr u64 kSelectorReserved = ~mask(32) | evtsel::kAny;

u64 selector_reserved(const Access& a) {
  u64 reserved = kSelectorReserved;
  if (a.caps.rtm) reserved &= ~evtsel::kInTx;
  if (a.caps.rtm && a.index == 2) reserved &= ~evtsel::kInTxCp;
  return reserved;
}

u64 fixed_ctrl_bits(const Caps& caps) {
  u64 allowed = 0;
  for (unsigned n = 0; n < 16; ++n)
    if (caps.fixed_mask >> n & 1) allowed |= u64{0xb} << (4 * n);  // OS, USR, PMI; AnyThread is reserved
  return allowed;
}

bool v2(const Access& a) {
  return a.caps.version > 1;
}
Outcome none_of(u64 value, u64 reserved) {
  return value & reserved ? Outcome::Fault : Outcome::Ok;
}

}  // namespace

pmu::RuleLayer kvm_intel_rules(const KvmRuleOptions& options) {
  pmu::RuleLayer layer;

  auto& selector = layer[Reg::GpSelector];
  selector.source = "intel_pmu_set_msr: reserved_bits 0xffffffff00200000, IN_TX/IN_TXCP with HLE or RTM";
  selector.exists = [](const Access& a) { return a.index < a.caps.gp_count; };
  selector.check = [](const Access& a, const Registers&, u64& v) { return none_of(v, selector_reserved(a)); };

  auto& gp = layer[Reg::GpCounter];
  gp.source = "intel_pmu_set_msr: guest writes of IA32_PERFCTRn are sign-extended from 32 bits, then masked";
  gp.exists = selector.exists;
  gp.check = [](const Access& a, const Registers&, u64& v) {
    if (!a.host_initiated) v = sign_extend(v, 32);
    v &= mask(a.caps.gp_width);
    return Outcome::Ok;
  };
  gp.read = [](const Access& a, const Registers& r, u64& v) {
    return v = r.gp[a.index] & mask(a.caps.gp_width), Outcome::Ok;
  };

  auto& full = layer[Reg::GpCounterFull];
  full.source =
      "get_fw_gp_pmc, intel_pmu_set_msr: only with PERF_CAPABILITIES.FW_WRITES; bits above the width fault";
  full.exists = [](const Access& a) { return a.index < a.caps.gp_count && a.caps.full_width_writes(); };
  full.check = [](const Access& a, const Registers&, u64& v) { return none_of(v, ~mask(a.caps.gp_width)); };
  full.read = gp.read;

  auto& fixed = layer[Reg::FixedCounter];
  fixed.source = "intel_pmu_set_msr: masked to the fixed width, never sign-extended (b29a2acd36dd)";
  fixed.exists = [](const Access& a) { return a.caps.version > 1 && (a.caps.fixed_mask >> a.index & 1); };
  fixed.check = [](const Access& a, const Registers&, u64& v) {
    return v &= mask(a.caps.fixed_width), Outcome::Ok;
  };
  fixed.read = [](const Access& a, const Registers& r, u64& v) {
    return v = r.fixed[a.index] & mask(a.caps.fixed_width), Outcome::Ok;
  };

  auto& ctrl = layer[Reg::FixedCtrl];
  ctrl.source = "intel_pmu_refresh: fixed_ctr_ctrl_rsvd, bit 2 of a nibble and absent counters fault";
  ctrl.exists = v2;
  ctrl.check = [](const Access& a, const Registers&, u64& v) { return none_of(v, ~fixed_ctrl_bits(a.caps)); };

  auto& global = layer[Reg::GlobalCtrl];
  global.source = "kvm_pmu_set_msr: kvm_valid_perf_global_ctrl, absent counters and bit 48 fault";
  global.exists = v2;
  global.check = [](const Access& a, const Registers&, u64& v) { return none_of(v, ~a.caps.counter_bits()); };

  auto& status = layer[Reg::GlobalStatus];
  status.source = "kvm_pmu_set_msr: read-only for guests on Intel; userspace may set what is not reserved";
  status.exists = v2;
  status.check = [](const Access& a, const Registers&, u64& v) {
    return a.host_initiated ? none_of(v, ~kvm_status_bits(a.caps)) : Outcome::Fault;
  };

  auto& reset = layer[Reg::GlobalStatusReset];
  reset.source =
      "kvm_pmu_set_msr: guests clear status bits; from userspace checked but without effect; reads 0";
  reset.exists = v2;
  reset.check = [](const Access& a, const Registers&, u64& v) {
    if (v & ~kvm_status_bits(a.caps)) return Outcome::Fault;
    return a.host_initiated ? Outcome::Ignored : Outcome::Ok;
  };

  auto& capabilities = layer[Reg::PerfCapabilities];
  capabilities.source = "kvm_get_msr_common, kvm_set_msr_common: PDCM; guest writes fault";
  capabilities.exists = [](const Access& a) { return a.caps.pdcm; };
  capabilities.check = [](const Access& a, const Registers&, u64&) {
    return a.host_initiated ? Outcome::Ok : Outcome::Fault;
  };
  capabilities.read = [](const Access& a, const Registers&, u64& v) {
    return v = a.caps.perf_capabilities, Outcome::Ok;
  };

  auto& ds = layer[Reg::DsArea];
  ds.source = "intel_is_valid_msr, intel_pmu_set_msr: guest CPUID DS; non-canonical addresses fault";
  ds.exists = [present = options.guest_ds](const Access&) { return present; };
  ds.check = [](const Access&, const Registers&, u64& v) {
    return canonical(v) ? Outcome::Ok : Outcome::Fault;
  };
  return layer;
}

}  // namespace pmusim::hv
