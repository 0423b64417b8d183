// SPDX-License-Identifier: Apache-2.0
// Instructions that user mode can execute but whose result is not the CPU's alone, each with its reason.
#include "form.h"

namespace pmusim::silicon {

const std::vector<Exclusion>& exclusions() {
  static const char* const time = "reads time";
  static const char* const identity = "reads the identity of the CPU or of the logical processor";
  static const char* const system = "enters the operating system";
  static const char* const supervisor = "CPL 0 only, and not implemented by the core";
  static const char* const umip =
      "UMIP: the kernel emulates it for user mode, or it reads the kernel's tables";
  static const std::vector<Exclusion> table = {
      {ZYDIS_MNEMONIC_RDTSC, time},
      {ZYDIS_MNEMONIC_RDTSCP, time},
      {ZYDIS_MNEMONIC_RDPMC, "reads a counter, if the kernel allows"},
      {ZYDIS_MNEMONIC_CPUID, identity},
      {ZYDIS_MNEMONIC_RDPID, identity},
      {ZYDIS_MNEMONIC_XGETBV, identity},
      {ZYDIS_MNEMONIC_XSAVES, supervisor},
      {ZYDIS_MNEMONIC_XSAVES64, supervisor},
      {ZYDIS_MNEMONIC_XRSTORS, supervisor},
      {ZYDIS_MNEMONIC_XRSTORS64, supervisor},
      {ZYDIS_MNEMONIC_XSETBV, "#UD or #GP by CR4.OSXSAVE, which is the kernel's choice"},
      {ZYDIS_MNEMONIC_INT1, "a hypervisor under the host may intercept #DB and report another RIP"},
      {ZYDIS_MNEMONIC_LFS, "FS and GS belong to the process that executes the states"},
      {ZYDIS_MNEMONIC_LGS, "FS and GS belong to the process that executes the states"},
      {ZYDIS_MNEMONIC_RDRAND, "random"},
      {ZYDIS_MNEMONIC_RDSEED, "random"},
      {ZYDIS_MNEMONIC_WRFSBASE, "FS and GS belong to the process that executes the states"},
      {ZYDIS_MNEMONIC_WRGSBASE, "FS and GS belong to the process that executes the states"},
      {ZYDIS_MNEMONIC_SYSEXIT, "#GP or #UD by vendor"},
      {ZYDIS_MNEMONIC_SYSCALL, system},
      {ZYDIS_MNEMONIC_SYSENTER, system},
      {ZYDIS_MNEMONIC_VMCALL, "enters the hypervisor"},
      {ZYDIS_MNEMONIC_VMMCALL, "enters the hypervisor"},
      {ZYDIS_MNEMONIC_SGDT, umip},
      {ZYDIS_MNEMONIC_SIDT, umip},
      {ZYDIS_MNEMONIC_SLDT, umip},
      {ZYDIS_MNEMONIC_STR, umip},
      {ZYDIS_MNEMONIC_SMSW, umip},
  };
  return table;
}

const char* excluded(ZydisMnemonic mnemonic) {
  for (const Exclusion& e : exclusions())
    if (e.mnemonic == mnemonic) return e.reason;
  return nullptr;
}

}  // namespace pmusim::silicon
