// SPDX-License-Identifier: Apache-2.0
// VMX basic exit reasons, their names as Linux's <asm/vmx.h> and kvm_exit print them, and exit qualifications
// (SDM Vol. 3, appendix C and "Basic VM-Exit Information").
#include "hypervisor/hw/vmcs.h"

namespace pmusim::hv {

using core::ExitKind;

u32 vmx::exit_reason(const core::VmExit& exit) {
  switch (exit.kind) {
    case ExitKind::Exception:
    case ExitKind::Nmi:
      return 0;
    case ExitKind::ExternalInterrupt:
      return 1;
    case ExitKind::TripleFault:
      return 2;
    case ExitKind::InitSignal:
      return 3;
    case ExitKind::Sipi:
      return 4;
    case ExitKind::InterruptWindow:
      return 7;
    case ExitKind::NmiWindow:
      return 8;
    case ExitKind::TaskSwitch:
      return 9;
    case ExitKind::Cpuid:
      return 10;
    case ExitKind::Hlt:
      return 12;
    case ExitKind::Invd:
      return 13;
    case ExitKind::Invlpg:
      return 14;
    case ExitKind::Rdpmc:
      return 15;
    case ExitKind::Rdtsc:
      return 16;
    case ExitKind::Vmcall:
      return 18;
    case ExitKind::VmInstruction:
      return 27;  // VMXON; the class is not told apart here
    case ExitKind::CrAccess:
      return 28;
    case ExitKind::DrAccess:
      return 29;
    case ExitKind::Io:
      return 30;
    case ExitKind::Rdmsr:
      return 31;
    case ExitKind::Wrmsr:
      return 32;
    case ExitKind::InvalidGuest:
    case ExitKind::EntryFailure:
      return kReasonInvalidGuestState | kReasonEntryFailure;
    case ExitKind::Mwait:
      return 36;
    case ExitKind::Monitor:
      return 39;
    case ExitKind::Pause:
      return 40;
    case ExitKind::SecondStageFault:
      return 48;
    case ExitKind::Rdtscp:
      return 51;
    case ExitKind::PreemptionTimer:
      return 52;
    case ExitKind::Wbinvd:
      return 54;
    case ExitKind::Xsetbv:
      return 55;
    case ExitKind::None:
    case ExitKind::Number:
      break;
  }
  return 0xffff;
}

const char* vmx::exit_reason_name(u32 reason) {
  switch (reason & 0xffff) {
    case 0:
      return "EXCEPTION_NMI";
    case 1:
      return "EXTERNAL_INTERRUPT";
    case 2:
      return "TRIPLE_FAULT";
    case 3:
      return "INIT_SIGNAL";
    case 4:
      return "SIPI_SIGNAL";
    case 7:
      return "INTERRUPT_WINDOW";
    case 8:
      return "NMI_WINDOW";
    case 9:
      return "TASK_SWITCH";
    case 10:
      return "CPUID";
    case 12:
      return "HLT";
    case 13:
      return "INVD";
    case 14:
      return "INVLPG";
    case 15:
      return "RDPMC";
    case 16:
      return "RDTSC";
    case 18:
      return "VMCALL";
    case 27:
      return "VMON";
    case 28:
      return "CR_ACCESS";
    case 29:
      return "DR_ACCESS";
    case 30:
      return "IO_INSTRUCTION";
    case 31:
      return "MSR_READ";
    case 32:
      return "MSR_WRITE";
    case 33:
      return "INVALID_STATE";
    case 34:
      return "MSR_LOAD_FAIL";
    case 36:
      return "MWAIT_INSTRUCTION";
    case 39:
      return "MONITOR_INSTRUCTION";
    case 40:
      return "PAUSE_INSTRUCTION";
    case 48:
      return "EPT_VIOLATION";
    case 51:
      return "RDTSCP";
    case 52:
      return "PREEMPTION_TIMER";
    case 54:
      return "WBINVD";
    case 55:
      return "XSETBV";
    default:
      return "UNKNOWN";
  }
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
