// SPDX-License-Identifier: Apache-2.0
// Refusals, each with the reason. The first that is found is told.
#include "hypervisor/vpmu/policy_check.h"

#include "base/json.h"
#include "hypervisor/vpmu/policy_properties.h"

namespace pmusim::hv {
namespace {

// Says where a policy has to be changed, and where it got the value from that cannot be.
class Refusal {
 public:
  Refusal(const Policy& policy, const JsonView& root) : policy_(policy), root_(root) {}

  [[noreturn]] void operator()(const char* axis, const std::string& found,
                               const std::string& expected) const {
    refuse(std::string("/") + axis, axis, found, expected);
  }
  [[noreturn]] void operator()(Asset asset, const std::string& found, const std::string& expected) const {
    refuse(std::string("/assets/") + asset_name(asset), asset_name(asset), found, expected);
  }

 private:
  [[noreturn]] void refuse(const std::string& pointer, const std::string& key, const std::string& found,
                           const std::string& expected) const {
    if (root_.has_pointer(pointer)) root_.at_pointer(pointer).fail(found, expected);
    const std::string origin =
        policy_.extends.empty() ? ", as of an asset that is not named" : ", as in '" + policy_.extends + "'";
    throw InputError(policy_.file, root_.document().place(policy_.extends.empty() ? pointer : "/extends"),
                     "for '" + key + "' " + found + origin, expected);
  }

  const Policy& policy_;
  const JsonView& root_;
};

void check_asset(const Policy& p, Asset a, const Refusal& refuse) {
  for (const Handling handling : {p[a].then, p[a].otherwise})
    if (const char* expected = impossible(a, handling))
      refuse(a, "'" + kHandlingNames[static_cast<unsigned>(handling)] + "'", expected);
}

}  // namespace

void check_policy(const Policy& p, const JsonView& file) {
  const Refusal refuse(p, file);
  const auto passed = [&](Asset a) { return p[a].may_be(Handling::Passthrough); };

  for (unsigned i = 0; i < kAssets; ++i) check_asset(p, static_cast<Asset>(i), refuse);
  for (Asset a : {Asset::GpCounters, Asset::FixedCounters, Asset::Lvtpc})
    if (p[a].then != p[a].otherwise) refuse(a, "a condition", "one handling for all guests");
  if (passed(Asset::FixedCounters) != passed(Asset::GpCounters))
    refuse(Asset::FixedCounters, "another handling than gp_counters",
           "the same: both are backed by hardware, or both by host perf");

  if (!p.counters_in_hardware()) {
    for (Asset a : {Asset::FullWidthAliases, Asset::EventSelectors, Asset::FixedCtrCtrl, Asset::GlobalCtrl,
                    Asset::GlobalStatus, Asset::GlobalStatusReset, Asset::GlobalStatusSet, Asset::Rdpmc})
      if (passed(a) || p[a].may_be(Handling::Filtered))
        refuse(a, "hardware access",
               "'emulated': the counters behind it are host perf events, not registers");
    if (p.pmi != PmiPath::HostNmi)
      refuse("pmi", "another path than host-nmi", "'host-nmi': host perf events interrupt by NMI");
    if (p.host_perf != HostPerfUse::Shared)
      refuse("host_perf", "a host perf that gives way", "'shared': guest counters are host perf events");
    if (p.switch_at != SwitchAt::Never)
      refuse("switch_at", "a place to switch", "'never': no guest state is in hardware registers");
    if (p.on_exit != OnExit::StopAll)
      refuse("on_exit", "counters that run on",
             "'stop-all': host perf counts guest-only events in the guest only");
  } else {
    for (Asset a : {Asset::EventSelectors, Asset::FixedCtrCtrl})
      if (p[a].may_be(Handling::Emulated))
        refuse(a, "'emulated'",
               "'filtered' or 'passthrough': the counters are in hardware and need it there");
    if (p.host_perf == HostPerfUse::Shared)
      refuse("host_perf", "'shared'",
             p.switch_at == SwitchAt::Never
                 ? "'denied': guest state is never switched out, and host events "
                   "would run on the counters that the guest owns"
                 : "'exclude-guest-only' or 'denied': host events would run on the "
                   "counters that the guest owns");
    if (p.switch_at == SwitchAt::Never && p.host_perf != HostPerfUse::Denied)
      refuse("host_perf", "host events beside guest state that is never switched out", "'denied'");
    if (p.pmi == PmiPath::HostNmi)
      refuse("pmi", "'host-nmi'",
             "'dedicated-vector' or 'direct': host perf has no event behind a guest counter");
    if ((p.pmi == PmiPath::Direct) != passed(Asset::Lvtpc))
      refuse(Asset::Lvtpc,
             passed(Asset::Lvtpc) ? "'passthrough' with PMIs that the host takes"
                                  : "an emulated LVTPC with pmi 'direct'",
             "'passthrough' exactly if pmi is 'direct': who owns LVTPC gets the interrupt");
    if (p.on_exit != OnExit::StopAll && p.switch_at == SwitchAt::VmEntryExit)
      refuse("on_exit", "counters that run on after exits", "'stop-all': state is switched out at each exit");
    if (p.on_exit == OnExit::StopInstructionsAndBranches &&
        (passed(Asset::EventSelectors) || passed(Asset::FixedCtrCtrl)))
      refuse("on_exit", "'stop-instructions-and-branches'",
             "selectors that the hypervisor knows ('filtered') to tell which counters these are");
  }
}

}  // namespace pmusim::hv
