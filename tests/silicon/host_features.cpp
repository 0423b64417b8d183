// SPDX-License-Identifier: Apache-2.0
// The features of this host that forms need.
#include "arch/host_cpu.h"
#include "form.h"

#if defined(__x86_64__)
#include <sys/auxv.h>
#endif

namespace pmusim::silicon {

#if defined(__x86_64__)
namespace {
bool has_fsgsbase() {
  constexpr unsigned long bit = 2;  // HWCAP2_FSGSBASE
  return getauxval(AT_HWCAP2) & bit;
}
}  // namespace
#endif

bool host_is_amd() {
  static const bool amd = host_vendor() == "amd";
  return amd;
}

const char* missing_on_host(const Form& form) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  switch (form.isa) {
    case ZYDIS_ISA_SET_BMI1:
      return __builtin_cpu_supports("bmi") ? nullptr : "no BMI1";
    case ZYDIS_ISA_SET_BMI2:
      return __builtin_cpu_supports("bmi2") ? nullptr : "no BMI2";
    case ZYDIS_ISA_SET_LZCNT:
      return __builtin_cpu_supports("lzcnt") ? nullptr : "no LZCNT";
    case ZYDIS_ISA_SET_POPCNT:
      return __builtin_cpu_supports("popcnt") ? nullptr : "no POPCNT";
    case ZYDIS_ISA_SET_MOVBE:
      return __builtin_cpu_supports("movbe") ? nullptr : "no MOVBE";
    case ZYDIS_ISA_SET_ADOX_ADCX:
      return __builtin_cpu_supports("adx") ? nullptr : "no ADX";
    case ZYDIS_ISA_SET_CMPXCHG16B:
      return __builtin_cpu_supports("cmpxchg16b") ? nullptr : "no CMPXCHG16B";
    case ZYDIS_ISA_SET_XSAVE:
      return __builtin_cpu_supports("xsave") ? nullptr : "no XSAVE";
    case ZYDIS_ISA_SET_XSAVEOPT:
      return __builtin_cpu_supports("xsaveopt") ? nullptr : "no XSAVEOPT";
    case ZYDIS_ISA_SET_XSAVEC:
      return __builtin_cpu_supports("xsavec") ? nullptr : "no XSAVEC";
    case ZYDIS_ISA_SET_LAHF:
      return __builtin_cpu_supports("lahf_lm") ? nullptr : "no LAHF in 64-bit mode";
    case ZYDIS_ISA_SET_CLFLUSHOPT:
      return __builtin_cpu_supports("clflushopt") ? nullptr : "no CLFLUSHOPT";
    case ZYDIS_ISA_SET_RDWRFSGS:
      return has_fsgsbase() ? nullptr : "no FSGSBASE for user mode";
    case ZYDIS_ISA_SET_CLWB:
      return __builtin_cpu_supports("clwb") ? nullptr : "no CLWB";
    case ZYDIS_ISA_SET_SSE3:
    case ZYDIS_ISA_SET_SSE3X87:
      return __builtin_cpu_supports("sse3") ? nullptr : "no SSE3";
    case ZYDIS_ISA_SET_SSSE3:
    case ZYDIS_ISA_SET_SSSE3MMX:
      return __builtin_cpu_supports("ssse3") ? nullptr : "no SSSE3";
    case ZYDIS_ISA_SET_SSE4:
      return __builtin_cpu_supports("sse4.1") ? nullptr : "no SSE4.1";
    case ZYDIS_ISA_SET_SSE42:
      return __builtin_cpu_supports("sse4.2") ? nullptr : "no SSE4.2";
    case ZYDIS_ISA_SET_AES:
      return __builtin_cpu_supports("aes") ? nullptr : "no AES";
    case ZYDIS_ISA_SET_PCLMULQDQ:
      return __builtin_cpu_supports("pclmul") ? nullptr : "no PCLMULQDQ";
    default:
      return nullptr;
  }
#else
  (void)form;
  return "no x86-64";
#endif
}

}  // namespace pmusim::silicon
