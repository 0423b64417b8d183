// SPDX-License-Identifier: Apache-2.0
// Emulated MSRs other than the vPMU's: what start-up code of bare-metal images and Linux touches. Results as
// KVM's functions: 0, or 1 for #GP. The vPMU is asked first for every register it owns. Not modelled: MCE
// banks (none are offered), paravirtual clocks, VMX and SVM capability MSRs, Intel PT, MPX.
#include "arch/arch_capabilities.h"
#include "arch/cpuid_features.h"
#include "arch/linear_address.h"
#include "arch/msr.h"
#include "base/bits.h"
#include "core/state/state_msr.h"
#include "hypervisor/kvm/vcpu.h"
#include "hypervisor/kvm/vm.h"
#include "hypervisor/vpmu/vpmu.h"

namespace pmusim::hv {

namespace {

inline constexpr u32 kPlatformId = 0x17, kMcgCap = 0x179, kMcgStatus = 0x17a, kPlatformInfo = 0xce,
                     kMiscFeatures = 0x140, kPerfStatus = 0x198, kMtrrBase = 0x200, kMtrrLast = 0x20f,
                     kMtrrFix64k = 0x250, kMtrrFix16kA = 0x258, kMtrrFix16kB = 0x259, kMtrrFix4k = 0x268,
                     kMtrrFix4kLast = 0x26f, kMtrrDefType = 0x2ff, kNbCfg = 0xc001001f,
                     kPatchLoader = 0xc0010020, kIntPending = 0xc0010055, kVmHsave = 0xc0010117,
                     kDeCfg = 0xc0011029;
// HWCR (kvm_set_msr_common): cache, flush-filter and IGNNE controls are ignored; McStatusWrEn and TscFreqSel
// are kept; the rest faults.
inline constexpr u64 kHwcrIgnored = bit(3) | bit(6) | bit(8), kHwcrKept = bit(18) | bit(24);
inline constexpr u64 kMiscEmon = bit(7), kMiscBts = bit(11), kMiscPebs = bit(12);

bool is_mtrr(u32 index) {
  return (index >= kMtrrBase && index <= kMtrrLast) || index == kMtrrFix64k || index == kMtrrFix16kA ||
         index == kMtrrFix16kB || (index >= kMtrrFix4k && index <= kMtrrFix4kLast) || index == kMtrrDefType;
}

}  // namespace

int Vcpu::get_msr(u32 index, u64& value, bool host_initiated) {
  if (vpmu_->owns_msr(index)) {
    const pmu::Outcome outcome = vpmu_->get_msr(index, value, host_initiated);
    if (outcome == pmu::Outcome::Ignored) value = 0;
    return outcome == pmu::Outcome::Fault;
  }
  return get_other_msr(index, value, host_initiated);
}

int Vcpu::set_msr(u32 index, u64 value, bool host_initiated) {
  if (vpmu_->owns_msr(index)) return vpmu_->set_msr(index, value, host_initiated) == pmu::Outcome::Fault;
  return set_other_msr(index, value, host_initiated);
}

int Vcpu::get_other_msr(u32 index, u64& value, bool host_initiated) {
  if (index >= msr::kX2ApicFirst && index <= msr::kX2ApicLast) return !x2apic_read(index, value);
  if (const u64* state = core::state_msr(state_, index)) {
    value = *state;
    return index == msr::kTscAux && !cpuid_.has(cpuid::kRdtscp) && !host_initiated;
  }
  switch (index) {
    case msr::kTsc:
      value = tsc();
      return 0;
    case msr::kApicBase:
      value = apic_.base();
      return 0;
    case msr::kTscDeadline:
      value = apic_.tsc_deadline();
      return !cpuid_.has(cpuid::kTscDeadline);
    case msr::kEfer:
      value = state_.efer;
      return 0;
    case msr::kMiscEnable:
      value = misc_enable_ | (host_.intel() && vpmu_->enabled() ? kMiscEmon | kMiscBts | kMiscPebs : 0);
      return 0;
    case msr::kDebugCtl:
      value = debugctl_;
      return 0;
    case msr::kMtrrCap:
      value = 0x508;
      return 0;  // 8 variable ranges, fixed ranges, write combining
    case msr::kBiosSignId:
      value = u64{0x100000000};
      return 0;
    case msr::kFeatureControl:
      value = 1;
      return !host_.intel();
    case msr::kArchCapabilities:
      value = kArchCapabilities;
      return !cpuid_.has(cpuid::kArchCapabilities) && !host_initiated;
    case kPlatformInfo:
    case kMiscFeatures:
    case kPlatformId:
    case kPerfStatus:
    case kMcgCap:
      value = 0;
      return 0;
    case kMcgStatus:
    case msr::kHwcr:
    case msr::kSyscfg:
    case kNbCfg:
    case kIntPending:
    case kVmHsave:
    case kDeCfg:
    case kPatchLoader: {
      const auto it = msrs_.find(index);
      value = it == msrs_.end() ? 0 : it->second;
      return 0;
    }
    case msr::kTscAdjust:
      if (!cpuid_.has(cpuid::kTscAdjust) && !host_initiated) return 1;
      break;
    case msr::kSpecCtrl:
      if (!cpuid_.has(cpuid::kIbrsIbpb) && !cpuid_.has(cpuid::kAmdIbrs) && !host_initiated) return 1;
      break;
    default:
      if (!is_mtrr(index)) {
        value = 0;
        return 1;
      }
  }
  const auto it = msrs_.find(index);
  value = it == msrs_.end() ? 0 : it->second;
  return 0;
}

int Vcpu::set_other_msr(u32 index, u64 value, bool host_initiated) {
  if (index >= msr::kX2ApicFirst && index <= msr::kX2ApicLast) return !x2apic_write(index, value);
  if (u64* state = core::state_msr(state_, index)) {
    if (core::msr_needs_canonical(index) && !canonical(value)) return 1;
    if (index == msr::kPat && !core::valid_pat(value)) return 1;
    if (index == msr::kTscAux && ((!cpuid_.has(cpuid::kRdtscp) && !host_initiated) || value >> 32)) return 1;
    *state = value;
    return 0;
  }
  switch (index) {
    case msr::kTsc:
      control_->set_tsc_offset(static_cast<s64>(value - cycle()));
      return 0;
    case msr::kTscAdjust: {
      if (!cpuid_.has(cpuid::kTscAdjust) && !host_initiated) return 1;
      const u64 difference = value - msrs_[index];
      if (!host_initiated) control_->set_tsc_offset(control_->tsc_offset() + static_cast<s64>(difference));
      msrs_[index] = value;
      return 0;
    }
    case msr::kApicBase:
      return !apic_.write_base(value);
    case msr::kTscDeadline:
      if (!cpuid_.has(cpuid::kTscDeadline)) return 1;
      apic_.write_tsc_deadline(value);
      requests_ |= kReqEvent;
      return 0;
    case msr::kEfer:
      return set_efer(value, host_initiated);
    case msr::kMiscEnable: {
      if (host_initiated) {
        misc_enable_ = value & ~(kMiscEmon | kMiscBts | kMiscPebs);
        return 0;
      }
      u64 old = 0;
      get_other_msr(index, old, false);
      if ((old ^ value) & (kMiscBts | kMiscPebs)) return 1;
      misc_enable_ = value & ~(kMiscEmon | kMiscBts | kMiscPebs);  // bit 7 is ignored
      return 0;
    }
    case msr::kDebugCtl: {
      // Without guest LBR: BTF and LBR are accepted and dropped, everything else faults
      // (vmx_is_valid_debugctl).
      if (!host_.intel()) {
        debugctl_ = 0;
        return (value & ~u64{0x3f}) != 0 && !host_initiated;
      }
      if (value & ~u64{3}) return 1;
      debugctl_ = 0;
      control_->set_debugctl(debugctl_);
      return 0;
    }
    case msr::kPredCmd:
      // The hardware executes the command, and its refusal is the guest's (kvm_set_msr_common).
      if (!cpuid_.has(cpuid::kIbrsIbpb) && !cpuid_.has(cpuid::kAmdIbpb) && !host_initiated) return 1;
      if (value & ~u64{1}) return 1;
      return value && cpu_ && !cpu_->wrmsr(msr::kPredCmd, value);
    case msr::kSpecCtrl:
      if (!cpuid_.has(cpuid::kIbrsIbpb) && !cpuid_.has(cpuid::kAmdIbrs) && !host_initiated) return 1;
      msrs_[index] = value;
      return 0;
    case msr::kBiosSignId:
    case kPatchLoader:
      return 0;
    case kMiscFeatures:  // CPUID faulting, which PLATFORM_INFO does not offer
      return value != 0;
    case msr::kHwcr:
      value &= ~kHwcrIgnored;
      if (value & ~kHwcrKept) return 1;
      msrs_[index] = value;
      return 0;
    case kMcgStatus:
    case msr::kSyscfg:
    case kNbCfg:
    case kIntPending:
    case kVmHsave:
    case kDeCfg:
      msrs_[index] = value;
      return 0;
    default:
      if (!is_mtrr(index)) return 1;
      msrs_[index] = value;
      return 0;
  }
}

int Vcpu::set_efer(u64 value, bool host_initiated) {
  u64 valid = core::kEferSce | core::kEferLme | core::kEferLma;
  if (cpuid_.has(cpuid::kNx)) valid |= core::kEferNxe;
  if (cpuid_.has(cpuid::kSvm)) valid |= core::kEferSvme;
  if (!cpuid_.has(cpuid::kLongMode)) valid &= ~(core::kEferLme | core::kEferLma);
  if (!host_initiated) {
    if (value & ~valid) return 1;
    if (state_.paging() && ((value ^ state_.efer) & core::kEferLme)) return 1;
  }
  const u64 old = state_.efer;
  state_.efer = (value & ~static_cast<u64>(core::kEferLma)) |
                (host_initiated ? value & core::kEferLma : old & core::kEferLma);
  if ((old ^ state_.efer) & core::kEferSvme) vpmu_->guest_mode_changed();
  return 0;
}

}  // namespace pmusim::hv
