// SPDX-License-Identifier: Apache-2.0
// CPUID leaf 0 of the host.
#include "arch/host_cpu.h"

#include "base/types.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace pmusim {

std::string host_vendor() {
#if defined(__x86_64__)
  constexpr u32 kGenu = 0x756e6547, kAuth = 0x68747541, kHygo = 0x6f677948;  // EBX of leaf 0
  u32 eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (!__get_cpuid(0, &eax, &ebx, &ecx, &edx)) return "";
  return ebx == kGenu ? "intel" : ebx == kAuth || ebx == kHygo ? "amd" : "";
#else
  return "";
#endif
}

}  // namespace pmusim
