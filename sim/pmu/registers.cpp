// SPDX-License-Identifier: Apache-2.0
// The one table of PMU registers. Addresses as in Linux 7.2 msr-index.h and perf_event.h (pmu-hardware A3,
// B).
#include "pmu/registers.h"

#include <stdexcept>

#include "arch/msr.h"

namespace pmusim::pmu {
namespace {

constexpr RegDescription kRegisters[] = {
    {Reg::GpSelector, Vendor::Intel, "IA32_PERFEVTSELn", "gp_selector", msr::kPerfEvtSel0, 1, kMaxGp},
    {Reg::GpCounter, Vendor::Intel, "IA32_PERFCTRn", "gp_counter", msr::kPerfCtr0, 1, kMaxGp},
    {Reg::GpCounterFull, Vendor::Intel, "IA32_A_PMCn", "gp_counter_full", msr::kAPmc0, 1, kMaxGp},
    {Reg::FixedCounter, Vendor::Intel, "IA32_FIXED_CTRn", "fixed_counter", msr::kFixedCtr0, 1, kMaxFixed},
    {Reg::FixedCtrl, Vendor::Intel, "IA32_FIXED_CTR_CTRL", "fixed_ctr_ctrl", msr::kFixedCtrCtrl, 1, 1},
    {Reg::GlobalCtrl, Vendor::Intel, "IA32_PERF_GLOBAL_CTRL", "global_ctrl", msr::kGlobalCtrl, 1, 1},
    {Reg::GlobalStatus, Vendor::Intel, "IA32_PERF_GLOBAL_STATUS", "global_status", msr::kGlobalStatus, 1, 1},
    {Reg::GlobalStatusReset, Vendor::Intel, "IA32_PERF_GLOBAL_STATUS_RESET", "global_status_reset",
     msr::kGlobalStatusReset, 1, 1},
    {Reg::GlobalStatusSet, Vendor::Intel, "IA32_PERF_GLOBAL_STATUS_SET", "global_status_set",
     msr::kGlobalStatusSet, 1, 1},
    {Reg::GlobalInuse, Vendor::Intel, "IA32_PERF_GLOBAL_INUSE", "global_inuse", msr::kGlobalInuse, 1, 1},
    {Reg::PerfCapabilities, Vendor::Intel, "IA32_PERF_CAPABILITIES", "perf_capabilities",
     msr::kPerfCapabilities, 1, 1},
    {Reg::PerfMetrics, Vendor::Intel, "MSR_PERF_METRICS", "perf_metrics", msr::kPerfMetrics, 1, 1},
    {Reg::PebsEnable, Vendor::Intel, "IA32_PEBS_ENABLE", "pebs_enable", msr::kPebsEnable, 1, 1},
    {Reg::PebsDataCfg, Vendor::Intel, "MSR_PEBS_DATA_CFG", "pebs_data_cfg", msr::kPebsDataCfg, 1, 1},
    {Reg::DsArea, Vendor::Intel, "IA32_DS_AREA", "ds_area", msr::kDsArea, 1, 1},
    {Reg::GpSelector, Vendor::Amd, "PERF_CTLn", "gp_selector", msr::kAmdPerfCtl0, 2, 6},
    {Reg::GpCounter, Vendor::Amd, "PERF_CTRn", "gp_counter", msr::kAmdPerfCtr0, 2, 6},
    {Reg::K7Selector, Vendor::Amd, "PerfEvtSeln", "k7_selector", msr::kK7EvntSel0, 1, 4},
    {Reg::K7Counter, Vendor::Amd, "PerfCtrn", "k7_counter", msr::kK7PerfCtr0, 1, 4},
    {Reg::GlobalCtrl, Vendor::Amd, "PerfCntrGlobalCtl", "global_ctrl", msr::kAmdGlobalCtl, 1, 1},
    {Reg::GlobalStatus, Vendor::Amd, "PerfCntrGlobalStatus", "global_status", msr::kAmdGlobalStatus, 1, 1},
    {Reg::GlobalStatusReset, Vendor::Amd, "PerfCntrGlobalStatusClr", "global_status_reset",
     msr::kAmdGlobalStatusClr, 1, 1},
    {Reg::GlobalStatusSet, Vendor::Amd, "PerfCntrGlobalStatusSet", "global_status_set",
     msr::kAmdGlobalStatusSet, 1, 1},
};

const RegDescription& describe(Vendor vendor, Reg reg) {
  for (const RegDescription& d : kRegisters)
    if (d.vendor == vendor && d.reg == reg) return d;
  throw std::logic_error("the vendor has no such PMU register");
}

}  // namespace

std::vector<RegDescription> register_descriptions(Vendor vendor) {
  std::vector<RegDescription> result;
  for (const RegDescription& d : kRegisters)
    if (d.vendor == vendor) result.push_back(d);
  return result;
}

std::optional<RegRef> find_register(Vendor vendor, u32 msr) {
  for (const RegDescription& d : kRegisters) {
    if (d.vendor != vendor || msr < d.address) continue;
    const u32 offset = msr - d.address;
    if (offset % d.stride == 0 && offset / d.stride < d.count)
      return RegRef{d.reg, static_cast<u8>(offset / d.stride)};
  }
  return std::nullopt;
}

u32 address_of(Vendor vendor, Reg reg, unsigned index) {
  const RegDescription& d = describe(vendor, reg);
  if (index >= d.count) throw std::logic_error(std::string("no such index of ") + d.name);
  return d.address + index * d.stride;
}

std::string name_of(Vendor vendor, RegRef ref) {
  const RegDescription& d = describe(vendor, ref.reg);
  std::string name = d.name;
  if (d.count > 1) name.replace(name.size() - 1, 1, std::to_string(ref.index));
  return name;
}

bool operator==(const Registers& a, const Registers& b) {
  for (unsigned i = 0; i < kMaxGp; ++i)
    if (a.selector[i] != b.selector[i] || a.gp[i] != b.gp[i]) return false;
  for (unsigned i = 0; i < kMaxFixed; ++i)
    if (a.fixed[i] != b.fixed[i]) return false;
  return a.fixed_ctrl == b.fixed_ctrl && a.global_ctrl == b.global_ctrl &&
         a.global_status == b.global_status && a.debugctl == b.debugctl && a.pebs_enable == b.pebs_enable &&
         a.pebs_data_cfg == b.pebs_data_cfg && a.ds_area == b.ds_area && a.perf_metrics == b.perf_metrics;
}

}  // namespace pmusim::pmu
