// SPDX-License-Identifier: Apache-2.0
// VMCS: what the hardware does at VM-entry and VM-exit.
#include "hypervisor/hw/vmcs.h"

#include <stdexcept>

#include "arch/msr.h"
#include "base/bits.h"

namespace pmusim::hv {

using core::ExitKind;
using Source = platform::PhysicalCpu::Source;

namespace {

// FS and GS bases and x2APIC MSRs may not stand in a VM-entry load list (SDM Vol. 3, "Loading MSRs").
bool listable(u32 msr) {
  return msr != msr::kFsBase && msr != msr::kGsBase && !(msr >= msr::kX2ApicFirst && msr <= msr::kX2ApicLast);
}

}  // namespace

u32 vmx::control_bit(ExitKind kind) {
  switch (kind) {
    case ExitKind::InterruptWindow:
      return vmx::kInterruptWindow;
    case ExitKind::NmiWindow:
      return vmx::kNmiWindow;
    case ExitKind::Hlt:
      return vmx::kHltExiting;
    case ExitKind::Invlpg:
      return vmx::kInvlpgExiting;
    case ExitKind::Mwait:
      return vmx::kMwaitExiting;
    case ExitKind::Monitor:
      return vmx::kMonitorExiting;
    case ExitKind::Rdpmc:
      return vmx::kRdpmcExiting;
    case ExitKind::Rdtsc:
    case ExitKind::Rdtscp:
      return vmx::kRdtscExiting;
    case ExitKind::DrAccess:
      return vmx::kMovDr;
    case ExitKind::Pause:
      return vmx::kPauseExiting;
    default:
      return 0;
  }
}

bool find_vmx_msr(u32 msr, bool write, unsigned& n) {
  const bool high = msr >= 0xc0000000 && msr <= 0xc0001fff;
  if (!high && msr > 0x1fff) return false;
  n = ((high ? 1u : 0u) + (write ? 2u : 0u)) * 1024 * 8 + (msr & 0x1fff);
  return true;
}

Vmcs::Vmcs(core::CpuState& state, const core::SecondStage& second, u16 vpid, u64 global_ctrl_reserved,
           bool can_load, bool can_save)
    : GuestControl(state, second, vpid),
      global_ctrl_reserved_(global_ctrl_reserved),
      can_load_(can_load),
      can_save_(can_save) {
  pin_based = vmx::kExternalInterruptExiting | vmx::kNmiExiting | vmx::kVirtualNmis;
  cpu_based = vmx::kTscOffsetting | vmx::kHltExiting | vmx::kMwaitExiting | vmx::kMonitorExiting |
              vmx::kRdpmcExiting | vmx::kCr8Load | vmx::kCr8Store | vmx::kUnconditionalIo |
              vmx::kUseMsrBitmaps;
  entry_controls = vmx::kEntryLoadDebug;
  exit_controls = vmx::kExitSaveDebug;
  cr0_guest_host_mask = ~static_cast<u64>(core::kCr0Ts);  // KVM with EPT
  set_guest_cr4_bits(~u64{0});
}

// KVM_POSSIBLE_CR4_GUEST_BITS with EPT. A reserved bit must exit, so that KVM can refuse it.
void Vmcs::set_guest_cr4_bits(u64 bits) {
  constexpr u64 kPossible = core::kCr4De | core::kCr4Pce | core::kCr4Osfxsr | core::kCr4Osxmmexcpt |
                            core::kCr4Tsd | core::kCr4Pge | core::kCr4Fsgsbase;
  cr4_guest_host_mask = ~(kPossible & bits);
}

bool Vmcs::instruction(ExitKind kind) const {
  switch (kind) {  // instructions that exit whatever the controls say
    case ExitKind::Cpuid:
    case ExitKind::Invd:
    case ExitKind::Vmcall:
    case ExitKind::VmInstruction:
    case ExitKind::Xsetbv:
    case ExitKind::TaskSwitch:
    case ExitKind::TripleFault:
    case ExitKind::InitSignal:
    case ExitKind::Sipi:
      return true;
    case ExitKind::Io:
      return cpu_based & vmx::kUnconditionalIo;
    case ExitKind::Wbinvd:
      return true;  // KVM sets WBINVD exiting
    default:
      return cpu_based & vmx::control_bit(kind);
  }
}

bool Vmcs::msr(u32 index, bool write) const {
  return !(cpu_based & vmx::kUseMsrBitmaps) || msr_bitmap.intercepted(index, write);
}

bool Vmcs::io(u16, unsigned) const {
  return cpu_based & vmx::kUnconditionalIo;
}

bool Vmcs::exception(u8 vector, u32) const {
  return test_bit(exception_bitmap, vector);
}

bool Vmcs::cr(unsigned number, bool write, u64 value) const {
  switch (number) {
    case 0:
      return write && ((value ^ state_->cr0) & cr0_guest_host_mask);
    case 4:
      return write && ((value ^ state_->cr4) & cr4_guest_host_mask);
    case 8:
      return cpu_based & (write ? vmx::kCr8Load : vmx::kCr8Store);
    default:
      return false;  // CR3 exiting is off with EPT
  }
}

std::string Vmcs::check(u64& reason) const {
  if ((exit_controls & vmx::kExitLoadGlobalCtrl) && (host_perf_global_ctrl & global_ctrl_reserved_)) {
    reason = vmx::kErrorInvalidHostState;
    return "VM-instruction error 8: reserved bits in the host-state IA32_PERF_GLOBAL_CTRL field";
  }
  if ((exit_controls & vmx::kExitSaveGlobalCtrl) && !can_save_) {
    reason = vmx::kErrorInvalidControls;
    return "VM-instruction error 7: this CPU has no VM-exit control \"save IA32_PERF_GLOBAL_CTRL\"";
  }
  reason = vmx::kReasonInvalidGuestState | vmx::kReasonEntryFailure;
  if ((entry_controls & vmx::kEntryLoadGlobalCtrl) && (guest_perf_global_ctrl & global_ctrl_reserved_))
    return "invalid guest state: reserved bits in the guest IA32_PERF_GLOBAL_CTRL field";
  if (entry_interruption_info >> 31) {
    const u32 type = entry_interruption_info >> 8 & 7;
    if (type == 0 && !(state_->rflags & core::kIF))
      return "invalid guest state: external interrupt injected with RFLAGS.IF = 0";
    if (type == 0 && state_->interrupt_shadow)
      return "invalid guest state: external interrupt injected in an interrupt shadow";
    if (type == 2 && state_->interrupt_shadow)
      return "invalid guest state: NMI injected in an interrupt shadow";
    if (type == 2 && (entry_interruption_info & 0xff) != kNMI) {
      reason = vmx::kErrorInvalidControls;
      return "VM-instruction error 7: NMI injected with a vector that is not 2";
    }
  }
  return check_guest_state(*state_);
}

std::string Vmcs::load(platform::PhysicalCpu& cpu) {
  clear_entry_failure();
  u64 reason = 0;
  std::string failure = check(reason);
  if (!failure.empty()) return fail_entry(reason, failure);
  if (entry_controls & vmx::kEntryLoadGlobalCtrl)
    cpu.hw_wrmsr(msr::kGlobalCtrl, guest_perf_global_ctrl, Source::Field);
  // DEBUGCTL is 0 after every VM-exit and the host never sets it, so only another value is a visible load.
  if ((entry_controls & vmx::kEntryLoadDebug) && guest_debugctl)
    cpu.hw_wrmsr(msr::kDebugCtl, guest_debugctl, Source::Field);
  for (std::size_t i = 0; i < entry_load.size(); ++i)
    if (!listable(entry_load[i].msr) || !cpu.hw_wrmsr(entry_load[i].msr, entry_load[i].value, Source::List))
      return fail_entry(vmx::kReasonMsrLoading | vmx::kReasonEntryFailure,
                        "VM-entry MSR-load list: entry " + std::to_string(i + 1) + " cannot be loaded");
  return {};
}

void Vmcs::store(platform::PhysicalCpu& cpu, const core::VmExit& exit) {
  if (exit_controls & vmx::kExitSaveGlobalCtrl)
    cpu.hw_rdmsr(msr::kGlobalCtrl, guest_perf_global_ctrl, Source::Field);
  const bool debug_loaded = (entry_controls & vmx::kEntryLoadDebug) && guest_debugctl;
  if ((exit_controls & vmx::kExitSaveDebug) && debug_loaded)
    cpu.hw_rdmsr(msr::kDebugCtl, guest_debugctl, Source::Field);
  for (MsrListEntry& entry : exit_store) cpu.hw_rdmsr(entry.msr, entry.value, Source::List);
  if (debug_loaded) cpu.hw_wrmsr(msr::kDebugCtl, 0, Source::Field);  // every VM-exit clears it
  if (exit_controls & vmx::kExitLoadGlobalCtrl)
    cpu.hw_wrmsr(msr::kGlobalCtrl, host_perf_global_ctrl, Source::Field);
  for (const MsrListEntry& entry : exit_load)
    if (!cpu.hw_wrmsr(entry.msr, entry.value, Source::List))
      throw std::logic_error("VMX abort: VM-exit MSR-load list");
  exit_reason_field = vmx::exit_reason(exit);
  exit_qualification = exit_id(exit).qualification;
  idt_vectoring_info = encode_interruption(exit.vectoring);
  idt_vectoring_error_code = exit.vectoring.error_code;
  entry_interruption_info &= ~(1u << 31);  // the valid bit is cleared on every VM-exit
}

PendingEvent Vmcs::take_injection() {
  return decode_interruption(entry_interruption_info, entry_error_code, entry_instruction_length);
}

}  // namespace pmusim::hv
