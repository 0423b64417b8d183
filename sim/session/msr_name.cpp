// SPDX-License-Identifier: Apache-2.0
// Names of MSRs: PMU registers by their table, the rest as SDM Vol. 4 prints them, or APM Vol. 2 what AMD has
// alone.
#include "session/msr_name.h"

#include <fmt/format.h>

#include "arch/msr.h"

namespace pmusim::session {
namespace {

struct Name {
  u32 index;
  const char* name;
};
constexpr Name kNames[] = {
    {msr::kTsc, "IA32_TIME_STAMP_COUNTER"},
    {msr::kApicBase, "IA32_APIC_BASE"},
    {msr::kFeatureControl, "IA32_FEATURE_CONTROL"},
    {msr::kTscAdjust, "IA32_TSC_ADJUST"},
    {msr::kSpecCtrl, "IA32_SPEC_CTRL"},
    {msr::kPredCmd, "IA32_PRED_CMD"},
    {msr::kBiosSignId, "IA32_BIOS_SIGN_ID"},
    {msr::kMtrrCap, "IA32_MTRRCAP"},
    {msr::kArchCapabilities, "IA32_ARCH_CAPABILITIES"},
    {msr::kSysenterCs, "IA32_SYSENTER_CS"},
    {msr::kSysenterEsp, "IA32_SYSENTER_ESP"},
    {msr::kSysenterEip, "IA32_SYSENTER_EIP"},
    {msr::kMiscEnable, "IA32_MISC_ENABLE"},
    {msr::kDebugCtl, "IA32_DEBUGCTL"},
    {msr::kPat, "IA32_PAT"},
    {msr::kTscDeadline, "IA32_TSC_DEADLINE"},
    {msr::kX2ApicFirst + 0x02, "IA32_X2APIC_APICID"},
    {msr::kX2ApicFirst + 0x03, "IA32_X2APIC_VERSION"},
    {msr::kX2ApicFirst + 0x08, "IA32_X2APIC_TPR"},
    {msr::kX2ApicFirst + 0x0b, "IA32_X2APIC_EOI"},
    {msr::kX2ApicFirst + 0x0f, "IA32_X2APIC_SIVR"},
    {msr::kX2ApicFirst + 0x28, "IA32_X2APIC_ESR"},
    {msr::kX2ApicFirst + 0x30, "IA32_X2APIC_ICR"},
    {msr::kX2ApicFirst + 0x32, "IA32_X2APIC_LVT_TIMER"},
    {msr::kX2ApicFirst + 0x34, "IA32_X2APIC_LVT_PMI"},
    {msr::kX2ApicFirst + 0x35, "IA32_X2APIC_LVT_LINT0"},
    {msr::kX2ApicFirst + 0x36, "IA32_X2APIC_LVT_LINT1"},
    {msr::kX2ApicFirst + 0x37, "IA32_X2APIC_LVT_ERROR"},
    {msr::kX2ApicFirst + 0x38, "IA32_X2APIC_INIT_COUNT"},
    {msr::kX2ApicFirst + 0x39, "IA32_X2APIC_CUR_COUNT"},
    {msr::kX2ApicFirst + 0x3e, "IA32_X2APIC_DIV_CONF"},
    {msr::kX2ApicFirst + 0x3f, "IA32_X2APIC_SELF_IPI"},
    {msr::kEfer, "IA32_EFER"},
    {msr::kStar, "IA32_STAR"},
    {msr::kLstar, "IA32_LSTAR"},
    {msr::kCstar, "IA32_CSTAR"},
    {msr::kSfmask, "IA32_FMASK"},
    {msr::kFsBase, "IA32_FS_BASE"},
    {msr::kGsBase, "IA32_GS_BASE"},
    {msr::kKernelGsBase, "IA32_KERNEL_GS_BASE"},
    {msr::kTscAux, "IA32_TSC_AUX"},
    {msr::kSyscfg, "SYSCFG"},
    {msr::kHwcr, "HWCR"},
    {msr::kNbCfg, "NB_CFG"},
};

}  // namespace

std::string msr_name(pmu::Vendor vendor, u32 index) {
  if (const auto ref = pmu::find_register(vendor, index)) return pmu::name_of(vendor, *ref);
  for (const Name& n : kNames)
    if (n.index == index) return n.name;
  return fmt::format("{:#x}", index);
}

}  // namespace pmusim::session
