// SPDX-License-Identifier: Apache-2.0
// MSRs, CPUID and memory-mapped accesses of a CPU outside its core. PMU registers are the PMU's; the core
// keeps EFER, the SYSCALL, SYSENTER, segment-base, PAT and TSC_AUX registers. Not modelled: machine-check
// banks (none are reported), what MISC_ENABLE switches but MONITOR (its bits are stored), microcode update
// (revision 0), branch tracing and LBR behind DEBUGCTL (the bits are stored), the effects of SPEC_CTRL,
// SYSCFG, HWCR and NB_CFG.
#include "arch/arch_capabilities.h"
#include "arch/cpuid_features.h"
#include "arch/msr.h"
#include "base/bits.h"
#include "core/state/state_msr.h"
#include "platform/cpu/cpu_parts.h"

namespace pmusim::platform {

namespace {

// DEBUGCTL bits that can be set. Intel (SDM Vol. 4, IA32_DEBUGCTL): LBR, BTF, TR, BTS, BTINT, BTS_OFF_OS,
// BTS_OFF_USR, FREEZE_LBRS, FREEZE_PERFMON, FREEZE_WHILE_SMM. AMD (APM Vol. 2, "Debug-Control MSR"): LBR,
// BTF, bus-lock trap, freeze LBR, freeze counters; 6:3 must be zero, 10:7 and 63:13 read as zero.
constexpr u64 kIntelDebugCtl = 0x5fc3;
constexpr u64 kAmdDebugCtl = 0x1807, kAmdDebugCtlMustBeZero = 0x78;
// Machine checks are reported to have no banks (SDM Vol. 3, "IA32_MCG_CAP"); their status is stored.
constexpr u32 kMcgCap = 0x179, kMcgStatus = 0x17a;
// Fast strings, TM1, EIST, MONITOR, CPUID limit, xTPR messages, XD disable; bits 7, 11 and 12 report and are
// read-only.
constexpr u64 kMiscEnableWritable = 0x400c50009, kMiscEnableMonitor = 1 << 18;
constexpr u64 kFeatureControl = 5;  // locked, VMX outside SMX
// HWCR.TscFreqSel, read-only: the TSC counts at the P0 frequency (APM Vol. 2, "Hardware Configuration
// Register (HWCR)"). Linux reports a firmware bug where it is clear.
constexpr u64 kHwcrTscFreqSel = 1 << 24;
// MtrrFixDramEn, MtrrFixDramModEn, MtrrVarDramEn, MtrrTom2En, Tom2ForceMemTypeWB (APM Vol. 2, "System
// Configuration Register (SYSCFG)"); memory encryption is not enumerated. Others read as zero (assumed).
constexpr u64 kSyscfgWritable = u64{0x1f} << 18;

}  // namespace

CpuidRegs Cpu::physical_cpuid(u32 leaf, u32 subleaf) const {
  CpuidRegs r = model().cpuid.read(leaf, subleaf);
  switch (leaf) {
    case 1:
      r.ebx = (r.ebx & 0x00ffffff) | id_ << 24;
      cpuid::kOsxsave.set(r, state_.cr4 & core::kCr4Osxsave);
      if (!apic_.enabled()) cpuid::kApic.set(r, false);
      if (model().vendor == pmu::Vendor::Intel && !(misc_enable_ & kMiscEnableMonitor))
        cpuid::kMonitor.set(r, false);
      break;
    case 0xb:
    case 0x1f:
      if (r.eax | r.ebx | r.ecx) r.edx = id_;
      break;
    case 0x8000001e:
      if (model().vendor == pmu::Vendor::Amd) r.eax = id_;
      break;
    default:
      break;
  }
  return r;
}

// Core registers of the host, for the port.
u64* Cpu::core_msr(u32 index) {
  return index == msr::kEfer ? &state_.efer : core::state_msr(state_, index);
}

bool Cpu::msr_read(u32 index, u64& value) {
  const bool intel = model().vendor == pmu::Vendor::Intel;
  const auto has = [this](const CpuidBit& bit) { return model().cpuid.has(bit); };
  value = 0;
  if (pmu_->owns(index)) return pmu_->rdmsr(index, value);
  if (index >= msr::kX2ApicFirst && index <= msr::kX2ApicLast) return apic_.read_msr(index, value);
  switch (index) {
    case msr::kTsc:
      value = tsc() + static_cast<u64>(guest_tsc_offset_);
      return true;
    case msr::kApicBase:
      value = apic_.base();
      return true;
    case msr::kTscAdjust:
      value = tsc_adjust_;
      return has(cpuid::kTscAdjust);
    case msr::kTscDeadline:
      value = apic_.tsc_deadline();
      return has(cpuid::kTscDeadline);
    case msr::kDebugCtl:
      value = debugctl_;
      return true;
    case msr::kArchCapabilities:
      if (!intel || !has(cpuid::kArchCapabilities)) return false;
      value = kArchCapabilities;
      return true;
    case msr::kSyscfg:
      value = syscfg_;
      return !intel;
    case msr::kHwcr:
      if (intel) return false;
      value = hwcr_ | kHwcrTscFreqSel;
      return true;
    case msr::kNbCfg:  // not in the manuals of families 17H and later, but Linux sets bit 46 on all: assumed
                       // stored
      value = nb_cfg_;
      return !intel;
    case msr::kMiscEnable:
      value = misc_enable_;
      return intel;
    case msr::kSpecCtrl:
      value = spec_ctrl_;
      return has(cpuid::kIbrsIbpb) || has(cpuid::kAmdIbrs);
    case msr::kFeatureControl:
      value = kFeatureControl;
      return intel && has(cpuid::kVmx);
    case kMcgCap:
      return has(cpuid::kMca);
    case kMcgStatus:
      value = mcg_status_;
      return has(cpuid::kMca);
    case msr::kBiosSignId:
      return true;
    default:
      return Mtrr::owns(index) && has(cpuid::kMtrr) && mtrr_.read(index, value);
  }
}

bool Cpu::msr_write(u32 index, u64 value) {
  const bool intel = model().vendor == pmu::Vendor::Intel;
  const auto has = [this](const CpuidBit& bit) { return model().cpuid.has(bit); };
  if (pmu_->owns(index)) {
    const bool ok = pmu_->wrmsr(index, value);
    follow_pmu();
    return ok;
  }
  if (index >= msr::kX2ApicFirst && index <= msr::kX2ApicLast) return apic_.write_msr(index, value);
  switch (index) {
    case msr::kEfer:
      pmu_->set_svme(value & core::kEferSvme);
      return true;
    case msr::kTsc: {
      const u64 delta = value - tsc();
      tsc_offset_ += delta;
      tsc_adjust_ += delta;
      return true;
    }
    case msr::kTscAdjust:
      if (!has(cpuid::kTscAdjust)) return false;
      tsc_offset_ += value - tsc_adjust_;
      tsc_adjust_ = value;
      return true;
    case msr::kTscDeadline:
      if (!has(cpuid::kTscDeadline)) return false;
      apic_.write_tsc_deadline(value);
      return true;
    case msr::kApicBase:
      return apic_.write_base(value);
    case msr::kDebugCtl:
      if (intel ? value & ~kIntelDebugCtl : value & kAmdDebugCtlMustBeZero) return false;
      debugctl_ = value & (intel ? kIntelDebugCtl : kAmdDebugCtl);
      pmu_->set_debugctl(debugctl_);
      return true;
    case msr::kSyscfg:
      if (intel) return false;
      syscfg_ = value & kSyscfgWritable;
      return true;
    case msr::kHwcr:
      if (intel) return false;
      hwcr_ = value & ~kHwcrTscFreqSel;
      return true;
    case msr::kNbCfg:
      if (intel) return false;
      nb_cfg_ = value;
      return true;
    case msr::kMiscEnable:
      if (!intel) return false;
      misc_enable_ = (misc_enable_ & ~kMiscEnableWritable) | (value & kMiscEnableWritable);
      return true;
    case msr::kSpecCtrl:
      if (!has(cpuid::kIbrsIbpb) && !has(cpuid::kAmdIbrs)) return false;
      if (value & ~u64{7}) return false;
      spec_ctrl_ = value;
      return true;
    case msr::kPredCmd:
      if (!has(cpuid::kIbrsIbpb) && !has(cpuid::kAmdIbpb)) return false;
      if (value > 1) return false;
      if (value) timing_->forget_targets();
      return true;
    case kMcgStatus:  // RIPV, EIPV, MCIP, LMCE_S
      if (!has(cpuid::kMca) || value & ~u64{15}) return false;
      mcg_status_ = value;
      return true;
    case msr::kBiosSignId:
      return true;  // written before CPUID to read the revision
    default:
      return Mtrr::owns(index) && has(cpuid::kMtrr) &&
             mtrr_.write(index, value, physical_address_bits(model().cpuid));
  }
}

bool Cpu::Env::rdmsr(u32 index, u64& value) {
  return cpu_.msr_read(index, value);
}

bool Cpu::Env::wrmsr(u32 index, u64 value) {
  // A guest's EFER is not the host's: SVME of the host governs AMD's HostOnly and GuestOnly.
  if (index == msr::kEfer && cpu_.core_->world() != World::Host) return true;
  return cpu_.msr_write(index, value);
}

bool Cpu::Env::write_cr8(u64 value) {
  if (value >> 4) return false;
  cpu_.apic_.write_cr8(value);
  return true;
}

// The APIC page takes aligned 32-bit accesses; others are undefined on real parts. Here a narrower or wider
// read sees the bytes of the registers it covers, and such a write is dropped.
u64 Cpu::Env::mmio_read(u64 physical, unsigned size) {
  if (!cpu_.apic_.claims(physical)) return bus_read(cpu_.memory, physical, size);
  const u32 offset = static_cast<u32>(physical & 0xfff), within = offset & 15;
  const u64 value = within < 4 ? static_cast<u64>(cpu_.apic_.read(offset & ~15u)) >> (8 * within) : 0;
  return value & mask(8 * size);
}

void Cpu::Env::mmio_write(u64 physical, u64 value, unsigned size) {
  if (!cpu_.apic_.claims(physical)) return bus_write(cpu_.memory, physical, value, size);
  if (size == 4 && (physical & 15) == 0)
    cpu_.apic_.write(static_cast<u32>(physical & 0xfff), static_cast<u32>(value));
}

}  // namespace pmusim::platform
