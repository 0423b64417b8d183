// SPDX-License-Identifier: Apache-2.0
// Assets by name, what each can be, and what a policy needs of a host.
#include "hypervisor/vpmu/policy.h"

#include "base/enum_table.h"

namespace pmusim::hv {
namespace {

struct AssetName {
  Asset asset;
  const char* name;
};
constexpr AssetName kAssetNames[] = {
    {Asset::GpCounters, "gp_counters"},
    {Asset::FullWidthAliases, "full_width_aliases"},
    {Asset::FixedCounters, "fixed_counters"},
    {Asset::EventSelectors, "event_selectors"},
    {Asset::FixedCtrCtrl, "fixed_ctr_ctrl"},
    {Asset::GlobalCtrl, "global_ctrl"},
    {Asset::GlobalStatus, "global_status"},
    {Asset::GlobalStatusReset, "global_status_reset"},
    {Asset::GlobalStatusSet, "global_status_set"},
    {Asset::GlobalInuse, "global_inuse"},
    {Asset::PerfCapabilities, "perf_capabilities"},
    {Asset::PerfMetrics, "perf_metrics"},
    {Asset::Rdpmc, "rdpmc"},
    {Asset::DebugctlFreeze, "debugctl_freeze"},
    {Asset::Lvtpc, "lvtpc"},
    {Asset::DsArea, "ds_area"},
    {Asset::Pebs, "pebs"},
    {Asset::Lbr, "lbr"},
    {Asset::Ibs, "ibs"},
    {Asset::OffcoreRsp, "offcore_rsp"},
};
static_assert(is_enum_table(kAssetNames, &AssetName::asset));

}  // namespace

const char* asset_name(Asset asset) {
  return kAssetNames[static_cast<unsigned>(asset)].name;
}

HandlingFacts handling_facts(const pmu::Caps& guest, const pmu::Caps& host) {
  return {guest.gp_count == host.gp_count && guest.fixed_count() == host.fixed_count(),
          guest.gp_width == host.gp_width && guest.fixed_width == host.fixed_width, guest.version > 1};
}

Handling Choice::resolve(const HandlingFacts& facts) const {
  for (const Condition& c : kConditions)
    if (this->*c.asked && !(facts.*c.holds)) return otherwise;
  return then;
}

const char* impossible(Asset asset, Handling handling) {
  switch (asset) {
    case Asset::PerfMetrics:
    case Asset::DebugctlFreeze:
    case Asset::Pebs:
    case Asset::Lbr:
    case Asset::Ibs:
    case Asset::OffcoreRsp:
      if (handling != Handling::Hidden) return "'hidden': this simulator does not model it for guests";
      break;
    case Asset::GpCounters:
    case Asset::FixedCounters:
    case Asset::Lvtpc:
      if (handling == Handling::Hidden)
        return "'emulated' or 'passthrough' (a guest without a PMU needs no policy)";
      break;
    case Asset::EventSelectors:
    case Asset::FixedCtrCtrl:
      if (handling == Handling::Hidden) return "a handling: counters need this register";
      return nullptr;
    case Asset::GlobalCtrl:
    case Asset::GlobalStatus:
      if (handling == Handling::Hidden) return "a handling: counters need this register";
      break;
    case Asset::PerfCapabilities:
    case Asset::DsArea:
      if (handling == Handling::Passthrough)
        return "'emulated' or 'hidden': the value is the vCPU model's, not the host's";
      break;
    default:
      break;
  }
  if (handling == Handling::Filtered)
    return "another handling: the event filter decides on event selectors and fixed control only";
  return nullptr;
}

std::string unmet(const Policy& policy, const CpuModel& host) {
  if (policy.pmi == PmiPath::Direct)
    return "the simulator delivers no physical interrupt to a guest without a VM-exit (pmi 'direct')";
  const pmu::Caps& caps = host.caps;
  if (caps.version == 0 || caps.gp_count == 0) return "the CPU has no architectural PMU";
  if (caps.vendor == pmu::Vendor::Amd && caps.gp_count < 4) return "KVM needs at least 4 counters";
  if (!policy.counters_in_hardware()) return "";
  // perf marks AMD's PMUs as capable of a mediated vPMU on this condition
  // (PERF_PMU_CAP_MEDIATED_VPMU). Without PerfMonV2
  // there is no overflow status that would have to be restored, so who does without perf's support can switch
  // such a PMU too.
  if (caps.vendor == pmu::Vendor::Amd)
    return caps.version >= 2 || policy.host_perf != HostPerfUse::ExcludeGuestOnly
               ? ""
               : "needs PerfMonV2 (GlobalStatusSet and GlobalStatusClr) for perf's mediated vPMU; " +
                     host.name + " has none";
  // KVM's conditions on Intel; whoever switches must be able to restore overflow status and whole counters.
  if (caps.version < 4)
    return "needs architectural performance monitoring version 4 (GLOBAL_STATUS_SET); " + host.name +
           " has version " + std::to_string(caps.version);
  if (!caps.full_width_writes())
    return "needs full-width counter writes (PERF_CAPABILITIES bit 13); " + host.name + " has none";
  return "";
}

std::string unmet(const Policy& policy, const CpuModel& host, KernelRelease release) {
  if (release < policy.first_kernel)
    return std::string("needs Linux ") + release_name(policy.first_kernel) + " or later; the kernel is " +
           release_name(release);
  return unmet(policy, host);
}

}  // namespace pmusim::hv
