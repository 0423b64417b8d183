// SPDX-License-Identifier: Apache-2.0
// SVM exit codes, their names as Linux's <asm/svm.h> prints them, and EXITINFO1 (APM Vol. 2, appendix C).
#include "hypervisor/hw/vmcb.h"

namespace pmusim::hv {

using core::ExitKind;

namespace {

struct Code {
  ExitKind kind;
  u64 first;
  const char* name;
  u64 count = 1;  // by register or vector
};
// Of reads and writes the reads first.
constexpr Code kCodes[] = {
    {ExitKind::CrAccess, 0, "read_cr", 16},
    {ExitKind::CrAccess, 0x10, "write_cr", 16},
    {ExitKind::DrAccess, 0x20, "read_dr", 16},
    {ExitKind::DrAccess, 0x30, "write_dr", 16},
    {ExitKind::Exception, 0x40, "exception", 32},
    {ExitKind::ExternalInterrupt, 0x60, "interrupt"},
    {ExitKind::Nmi, 0x61, "nmi"},
    {ExitKind::InitSignal, 0x63, "init"},
    {ExitKind::InterruptWindow, 0x64, "vintr"},
    {ExitKind::Rdtsc, 0x6e, "rdtsc"},
    {ExitKind::Rdpmc, 0x6f, "rdpmc"},
    {ExitKind::Cpuid, 0x72, "cpuid"},
    {ExitKind::NmiWindow, 0x74, "iret"},
    {ExitKind::Invd, 0x76, "invd"},
    {ExitKind::Pause, 0x77, "pause"},
    {ExitKind::Hlt, 0x78, "hlt"},
    {ExitKind::Invlpg, 0x79, "invlpg"},
    {ExitKind::Io, 0x7b, "io"},
    {ExitKind::Rdmsr, 0x7c, "msr"},
    {ExitKind::Wrmsr, 0x7c, "msr"},
    {ExitKind::TaskSwitch, 0x7d, "task_switch"},
    {ExitKind::TripleFault, 0x7f, "shutdown"},
    {ExitKind::VmInstruction, 0x80, "vmrun"},
    {ExitKind::Vmcall, 0x81, "hypercall"},
    {ExitKind::Rdtscp, 0x87, "rdtscp"},
    {ExitKind::Wbinvd, 0x89, "wbinvd"},
    {ExitKind::Monitor, 0x8a, "monitor"},
    {ExitKind::Mwait, 0x8b, "mwait"},
    {ExitKind::Xsetbv, 0x8d, "xsetbv"},
    {ExitKind::SecondStageFault, 0x400, "npf"},
    {ExitKind::InvalidGuest, svm::kExitInvalid, "invalid"},
    {ExitKind::EntryFailure, svm::kExitInvalid, "invalid"},
    {ExitKind::Sipi, svm::kExitInvalid, "invalid"},  // and what SVM does not have
    {ExitKind::PreemptionTimer, svm::kExitInvalid, "invalid"},
};

constexpr bool every_kind_has_a_code() {
  for (unsigned kind = 1; kind < static_cast<unsigned>(ExitKind::Number); ++kind) {
    bool found = false;
    for (const Code& c : kCodes) found |= c.kind == static_cast<ExitKind>(kind);
    if (!found) return false;
  }
  return true;
}
static_assert(every_kind_has_a_code());

u64 offset_of(const core::VmExit& exit) {
  switch (exit.kind) {
    case ExitKind::Exception:
      return exit.qualification & 0x1f;
    case ExitKind::CrAccess:
    case ExitKind::DrAccess:
      return (exit.qualification & 0xf) + (exit.qualification >> 8 & 1 ? 0x10 : 0);
    default:
      return 0;
  }
}

}  // namespace

u64 svm::exit_code(const core::VmExit& exit) {
  for (const Code& c : kCodes)
    if (c.kind == exit.kind) return c.first + offset_of(exit);
  return kExitInvalid;
}

const char* svm::exit_code_name(u64 code) {
  for (const Code& c : kCodes)
    if (code - c.first < c.count) return c.name;
  return "unknown";
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
