// SPDX-License-Identifier: Apache-2.0
// SVM exit codes, their names as Linux's <asm/svm.h> prints them, and EXITINFO1 (APM Vol. 2, appendix C).
#include "hypervisor/hw/vmcb.h"

namespace pmusim::hv {

using core::ExitKind;

u64 svm::exit_code(const core::VmExit& exit) {
  switch (exit.kind) {
    case ExitKind::Exception:
      return 0x40 + (exit.qualification & 0x1f);
    case ExitKind::ExternalInterrupt:
      return 0x60;
    case ExitKind::Nmi:
      return 0x61;
    case ExitKind::InitSignal:
      return 0x63;
    case ExitKind::InterruptWindow:
      return 0x64;
    case ExitKind::CrAccess:
      return (exit.qualification & 0xf) + (exit.qualification >> 8 & 1 ? 0x10 : 0);
    case ExitKind::DrAccess:
      return (exit.qualification & 0xf) + (exit.qualification >> 8 & 1 ? 0x30 : 0x20);
    case ExitKind::Rdtsc:
      return 0x6e;
    case ExitKind::Rdpmc:
      return 0x6f;
    case ExitKind::Cpuid:
      return 0x72;
    case ExitKind::NmiWindow:
      return 0x74;
    case ExitKind::Invd:
      return 0x76;
    case ExitKind::Pause:
      return 0x77;
    case ExitKind::Hlt:
      return 0x78;
    case ExitKind::Invlpg:
      return 0x79;
    case ExitKind::Io:
      return 0x7b;
    case ExitKind::Rdmsr:
    case ExitKind::Wrmsr:
      return 0x7c;
    case ExitKind::TaskSwitch:
      return 0x7d;
    case ExitKind::TripleFault:
      return 0x7f;
    case ExitKind::VmInstruction:
      return 0x80;
    case ExitKind::Vmcall:
      return 0x81;
    case ExitKind::Rdtscp:
      return 0x87;
    case ExitKind::Wbinvd:
      return 0x89;
    case ExitKind::Monitor:
      return 0x8a;
    case ExitKind::Mwait:
      return 0x8b;
    case ExitKind::Xsetbv:
      return 0x8d;
    case ExitKind::SecondStageFault:
      return 0x400;
    case ExitKind::InvalidGuest:
    case ExitKind::EntryFailure:
    case ExitKind::Sipi:
    case ExitKind::PreemptionTimer:
    case ExitKind::None:
    case ExitKind::Number:
      break;
  }
  return kExitInvalid;
}

const char* svm::exit_code_name(u64 code) {
  if (code < 0x10) return "read_cr";
  if (code < 0x20) return "write_cr";
  if (code < 0x30) return "read_dr";
  if (code < 0x40) return "write_dr";
  if (code < 0x60) return "exception";
  switch (code) {
    case 0x60:
      return "interrupt";
    case 0x61:
      return "nmi";
    case 0x63:
      return "init";
    case 0x64:
      return "vintr";
    case 0x6e:
      return "rdtsc";
    case 0x6f:
      return "rdpmc";
    case 0x72:
      return "cpuid";
    case 0x74:
      return "iret";
    case 0x76:
      return "invd";
    case 0x77:
      return "pause";
    case 0x78:
      return "hlt";
    case 0x79:
      return "invlpg";
    case 0x7b:
      return "io";
    case 0x7c:
      return "msr";
    case 0x7d:
      return "task_switch";
    case 0x7f:
      return "shutdown";
    case 0x80:
      return "vmrun";
    case 0x81:
      return "hypercall";
    case 0x87:
      return "rdtscp";
    case 0x89:
      return "wbinvd";
    case 0x8a:
      return "monitor";
    case 0x8b:
      return "mwait";
    case 0x8d:
      return "xsetbv";
    case 0x400:
      return "npf";
    case kExitInvalid:
      return "invalid";
    default:
      return "unknown";
  }
}

namespace {

u64 info1_of(const core::VmExit& exit) {
  switch (exit.kind) {
    case ExitKind::Wrmsr:
      return 1;
    case ExitKind::Io: {  // TYPE 0 (in), STR 2, SZ8 4, SZ16 5, SZ32 6, PORT 31:16
      const u64 port = exit.qualification & 0xffff, size = exit.qualification >> 16 & 0xff;
      return (exit.qualification >> 24 & 1) | (exit.qualification >> 25 & 1) << 2 | size << 4 | port << 16;
    }
    case ExitKind::SecondStageFault:  // not present; W, US, ID; final translation
      return (exit.write ? 2 : 0) | 4 | (exit.fetch ? 16 : 0) | u64{1} << 32;
    case ExitKind::Exception:
      return exit.has_error_code ? exit.error_code : 0;
    case ExitKind::TaskSwitch:
      return exit.qualification & 0xffff;
    default:
      return 0;
  }
}

}  // namespace

u64 svm::exit_info2(const core::VmExit& exit) {
  if (exit.kind == ExitKind::SecondStageFault) return exit.guest_physical;
  if (exit.kind != ExitKind::TaskSwitch) return 0;
  const u64 source = exit.qualification >> 30;  // IRET 36, JMP 38, error code 44
  const PendingEvent& e = exit.vectoring;
  return (source == 1   ? u64{1} << 36
          : source == 2 ? u64{1} << 38
                        : 0) |
         (e.has_error_code ? u64{1} << 44 | e.error_code : 0);
}

ExitId Vmcb::exit_id(const core::VmExit& exit) const {
  const u64 code = svm::exit_code(exit);
  return {code, info1_of(exit), svm::exit_code_name(code)};
}

}  // namespace pmusim::hv
