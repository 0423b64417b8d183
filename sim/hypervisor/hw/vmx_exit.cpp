// SPDX-License-Identifier: Apache-2.0
// VMX basic exit reasons, their names as Linux's <asm/vmx.h> and kvm_exit print them, and exit qualifications
// (SDM Vol. 3, appendix C and "Basic VM-Exit Information").
#include "hypervisor/hw/vmcs.h"

namespace pmusim::hv {

using core::ExitKind;

namespace {

constexpr u32 kUnknown = 0xffff, kInvalidState = vmx::kReasonInvalidGuestState | vmx::kReasonEntryFailure;

struct Reason {
  ExitKind kind;
  u32 number;
  const char* name;
};
constexpr Reason kReasons[] = {
    {ExitKind::Exception, 0, "EXCEPTION_NMI"},
    {ExitKind::Nmi, 0, "EXCEPTION_NMI"},
    {ExitKind::ExternalInterrupt, 1, "EXTERNAL_INTERRUPT"},
    {ExitKind::TripleFault, 2, "TRIPLE_FAULT"},
    {ExitKind::InitSignal, 3, "INIT_SIGNAL"},
    {ExitKind::Sipi, 4, "SIPI_SIGNAL"},
    {ExitKind::InterruptWindow, 7, "INTERRUPT_WINDOW"},
    {ExitKind::NmiWindow, 8, "NMI_WINDOW"},
    {ExitKind::TaskSwitch, 9, "TASK_SWITCH"},
    {ExitKind::Cpuid, 10, "CPUID"},
    {ExitKind::Hlt, 12, "HLT"},
    {ExitKind::Invd, 13, "INVD"},
    {ExitKind::Invlpg, 14, "INVLPG"},
    {ExitKind::Rdpmc, 15, "RDPMC"},
    {ExitKind::Rdtsc, 16, "RDTSC"},
    {ExitKind::Vmcall, 18, "VMCALL"},
    {ExitKind::VmInstruction, 27, "VMON"},  // VMXON; the class is not told apart here
    {ExitKind::CrAccess, 28, "CR_ACCESS"},
    {ExitKind::DrAccess, 29, "DR_ACCESS"},
    {ExitKind::Io, 30, "IO_INSTRUCTION"},
    {ExitKind::Rdmsr, 31, "MSR_READ"},
    {ExitKind::Wrmsr, 32, "MSR_WRITE"},
    {ExitKind::InvalidGuest, kInvalidState, "INVALID_STATE"},
    {ExitKind::EntryFailure, kInvalidState, "INVALID_STATE"},
    {ExitKind::None, 34, "MSR_LOAD_FAIL"},  // found by VM-entry itself: Vmcs::entry_failure_reason()
    {ExitKind::Mwait, 36, "MWAIT_INSTRUCTION"},
    {ExitKind::Monitor, 39, "MONITOR_INSTRUCTION"},
    {ExitKind::Pause, 40, "PAUSE_INSTRUCTION"},
    {ExitKind::SecondStageFault, 48, "EPT_VIOLATION"},
    {ExitKind::Rdtscp, 51, "RDTSCP"},
    {ExitKind::PreemptionTimer, 52, "PREEMPTION_TIMER"},
    {ExitKind::Wbinvd, 54, "WBINVD"},
    {ExitKind::Xsetbv, 55, "XSETBV"},
};

constexpr bool every_kind_has_a_reason() {
  for (unsigned kind = 1; kind < static_cast<unsigned>(ExitKind::Number); ++kind) {
    bool found = false;
    for (const Reason& r : kReasons) found |= r.kind == static_cast<ExitKind>(kind);
    if (!found) return false;
  }
  return true;
}
static_assert(every_kind_has_a_reason());

}  // namespace

u32 vmx::exit_reason(const core::VmExit& exit) {
  for (const Reason& r : kReasons)
    if (r.kind == exit.kind && exit.kind != ExitKind::None) return r.number;
  return kUnknown;
}

const char* vmx::exit_reason_name(u32 reason) {
  for (const Reason& r : kReasons)
    if ((r.number & 0xffff) == (reason & 0xffff)) return r.name;
  return "UNKNOWN";
}

namespace {

u64 qualification_of(const core::VmExit& exit) {
  switch (exit.kind) {
    case ExitKind::Io: {
      const u64 port = exit.qualification & 0xffff, size = exit.qualification >> 16 & 0xff;
      const u64 in = exit.qualification >> 24 & 1, string = exit.qualification >> 25 & 1;
      return (size - 1) | in << 3 | string << 4 | port << 16;
    }
    case ExitKind::CrAccess: {
      const u64 cr = exit.qualification & 0xf, write = exit.qualification >> 8 & 1,
                gpr = exit.qualification >> 16 & 0xf;
      return cr | (write ? 0 : u64{1}) << 4 | gpr << 8;
    }
    case ExitKind::DrAccess: {
      const u64 dr = exit.qualification & 7, write = exit.qualification >> 8 & 1,
                gpr = exit.qualification >> 16 & 0xf;
      return dr | (write ? 0 : u64{1}) << 4 | gpr << 8;
    }
    case ExitKind::SecondStageFault:  // read, write, fetch; linear address valid
      return (exit.fetch ? 4 : exit.write ? 2 : 1) | 1 << 7 | 1 << 8;
    case ExitKind::Exception:
    case ExitKind::ExternalInterrupt:  // its vector would be interruption information
    case ExitKind::Rdmsr:
    case ExitKind::Wrmsr:
    case ExitKind::Rdpmc:
      return 0;
    default:
      return exit.qualification;
  }
}

}  // namespace

ExitId Vmcs::exit_id(const core::VmExit& exit) const {
  const u32 reason = exit.kind == ExitKind::EntryFailure && !entry_failure().empty()
                         ? static_cast<u32>(entry_failure_reason())
                         : vmx::exit_reason(exit);
  return {reason, qualification_of(exit), vmx::exit_reason_name(reason)};
}

}  // namespace pmusim::hv
