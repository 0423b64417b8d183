// SPDX-License-Identifier: Apache-2.0
// Policy files: names, reading (policies/schema.json says what a file may hold), refusal of combinations that
// cannot work, and what a policy needs of a host.
#include "hypervisor/vpmu/policy.h"

#include <algorithm>

#include "base/data.h"
#include "base/json.h"
#include "base/schema.h"

namespace pmusim::hv {
namespace {

constexpr const char* kAssetNames[kAssets] = {"gp_counters",
                                              "full_width_aliases",
                                              "fixed_counters",
                                              "event_selectors",
                                              "fixed_ctr_ctrl",
                                              "global_ctrl",
                                              "global_status",
                                              "global_status_reset",
                                              "global_status_set",
                                              "global_inuse",
                                              "perf_capabilities",
                                              "perf_metrics",
                                              "rdpmc",
                                              "debugctl_freeze",
                                              "lvtpc",
                                              "ds_area",
                                              "pebs",
                                              "lbr",
                                              "ibs",
                                              "offcore_rsp"};

// Index of the string in names, which is also the value of the enumeration.
template <class Enum>
Enum choose(const JsonView& view, const std::vector<std::string>& names) {
  const std::string text = view.one_of(names);
  return static_cast<Enum>(std::find(names.begin(), names.end(), text) - names.begin());
}

const std::vector<std::string> kHandlings = {"emulated", "filtered", "passthrough", "hidden"};

Choice read_choice(const JsonView& view) {
  Choice choice;
  if (!view.is_object()) {
    choice.then = choice.otherwise = choose<Handling>(view, kHandlings);
    return choice;
  }
  const auto condition = [&](const JsonView& when) {
    const std::string name = when.as_string();
    if (name == "counts-match") choice.counts_match = true;
    if (name == "widths-match") choice.widths_match = true;
    if (name == "version>1") choice.version_above_1 = true;
  };
  const JsonView when = view.at("when");
  if (when.is_array()) {
    for (const JsonView& item : when.items()) condition(item);
  } else {
    condition(when);
  }
  choice.then = choose<Handling>(view.at("then"), kHandlings);
  choice.otherwise = choose<Handling>(view.at("else"), kHandlings);
  return choice;
}

// Which combinations cannot work, and why. Each names the place to change.
void check(const Policy& p, const JsonView& root) {
  const JsonView assets = root.at("assets");
  const auto place = [&](Asset a) { return assets.at(asset_name(a)); };
  const auto passed = [&](Asset a) { return p[a].may_be(Handling::Passthrough); };

  for (unsigned i = 0; i < kAssets; ++i) {
    const Asset a = static_cast<Asset>(i);
    if (p[a].may_be(Handling::Filtered) && a != Asset::EventSelectors && a != Asset::FixedCtrCtrl)
      place(a).fail("'filtered'", "the event filter decides on event selectors and fixed control only");
  }
  for (Asset a :
       {Asset::PerfMetrics, Asset::DebugctlFreeze, Asset::Pebs, Asset::Lbr, Asset::Ibs, Asset::OffcoreRsp})
    if (p[a].then != Handling::Hidden || p[a].otherwise != Handling::Hidden)
      place(a).fail("a guest that uses it", "'hidden': this simulator does not model it for guests");
  for (Asset a : {Asset::GpCounters, Asset::FixedCounters, Asset::Lvtpc}) {
    if (p[a].then != p[a].otherwise) place(a).fail("a condition", "one handling for all guests");
    if (p[a].then == Handling::Hidden)
      place(a).fail("'hidden'", "'emulated' or 'passthrough' (a guest without a PMU needs no policy)");
  }
  for (Asset a : {Asset::EventSelectors, Asset::FixedCtrCtrl, Asset::GlobalCtrl, Asset::GlobalStatus})
    if (p[a].may_be(Handling::Hidden)) place(a).fail("'hidden'", "a handling: counters need this register");
  if (passed(Asset::FixedCounters) != passed(Asset::GpCounters))
    place(Asset::FixedCounters)
        .fail("another handling than gp_counters",
              "the same: both are backed by hardware, or both by host perf");
  for (Asset a : {Asset::PerfCapabilities, Asset::DsArea})
    if (passed(a))
      place(a).fail("'passthrough'", "'emulated' or 'hidden': the value is the vCPU model's, not the host's");

  const bool hardware = p.counters_in_hardware();
  if (!hardware) {
    for (Asset a : {Asset::FullWidthAliases, Asset::EventSelectors, Asset::FixedCtrCtrl, Asset::GlobalCtrl,
                    Asset::GlobalStatus, Asset::GlobalStatusReset, Asset::GlobalStatusSet, Asset::Rdpmc})
      if (passed(a) || p[a].may_be(Handling::Filtered))
        place(a).fail("hardware access",
                      "'emulated': the counters behind it are host perf events, not registers");
    if (p.pmi != PmiPath::HostNmi)
      root.at("pmi").fail("another path than host-nmi", "'host-nmi': host perf events interrupt by NMI");
    if (p.host_perf != HostPerfUse::Shared)
      root.at("host_perf")
          .fail("a host perf that gives way", "'shared': guest counters are host perf events");
    if (p.switch_at != SwitchAt::Never)
      root.at("switch_at").fail("a place to switch", "'never': no guest state is in hardware registers");
    if (p.on_exit != OnExit::StopAll)
      root.at("on_exit").fail("counters that run on",
                              "'stop-all': host perf counts guest-only events in the guest only");
  } else {
    for (Asset a : {Asset::EventSelectors, Asset::FixedCtrCtrl})
      if (p[a].may_be(Handling::Emulated))
        place(a).fail("'emulated'",
                      "'filtered' or 'passthrough': the counters are in hardware and need it there");
    if (p.host_perf == HostPerfUse::Shared)
      root.at("host_perf")
          .fail("'shared'", p.switch_at == SwitchAt::Never
                                ? "'denied': guest state is never switched out, and host events "
                                  "would run on the counters that the guest owns"
                                : "'exclude-guest-only' or 'denied': host events would run on the "
                                  "counters that the guest owns");
    if (p.switch_at == SwitchAt::Never && p.host_perf != HostPerfUse::Denied)
      root.at("host_perf").fail("host events beside guest state that is never switched out", "'denied'");
    if (p.pmi == PmiPath::HostNmi)
      root.at("pmi").fail("'host-nmi'",
                          "'dedicated-vector' or 'direct': host perf has no event behind a guest counter");
    if ((p.pmi == PmiPath::Direct) != passed(Asset::Lvtpc))
      place(Asset::Lvtpc)
          .fail(passed(Asset::Lvtpc) ? "'passthrough' with PMIs that the host takes"
                                     : "an emulated LVTPC with pmi 'direct'",
                "'passthrough' exactly if pmi is 'direct': who owns LVTPC gets the interrupt");
    if (p.on_exit != OnExit::StopAll && p.switch_at == SwitchAt::VmEntryExit)
      root.at("on_exit").fail("counters that run on after exits",
                              "'stop-all': state is switched out at each exit");
    if (p.on_exit == OnExit::StopInstructionsAndBranches &&
        (passed(Asset::EventSelectors) || passed(Asset::FixedCtrCtrl)))
      root.at("on_exit").fail(
          "'stop-instructions-and-branches'",
          "selectors that the hypervisor knows ('filtered') to tell which counters these are");
  }
}

}  // namespace

const char* asset_name(Asset asset) {
  return kAssetNames[static_cast<unsigned>(asset)];
}

Handling Choice::resolve(const HandlingFacts& facts) const {
  const bool holds = (!counts_match || facts.counts_match) && (!widths_match || facts.widths_match) &&
                     (!version_above_1 || facts.version_above_1);
  return holds ? then : otherwise;
}

Policy parse_policy(const std::string& text, const std::string& file, const std::string& id) {
  const JsonDocument document = parse_json(text, file);
  return read_policy(document, id);
}

Policy read_policy(const JsonDocument& document, const std::string& id) {
  validate(document, load_json(data_path("policies/schema.json")));
  const JsonView root = document.root();
  Policy p;
  p.id = id;
  p.file = document.name();
  p.title = root.at("title").as_string();
  if (root.has("first_kernel"))
    p.first_kernel = choose<KernelRelease>(root.at("first_kernel"), release_names());
  const JsonView assets = root.at("assets");
  for (unsigned i = 0; i < kAssets; ++i) p.assets[i] = read_choice(assets.at(kAssetNames[i]));
  p.switch_at =
      choose<SwitchAt>(root.at("switch_at"), {"run-loop", "vm-entry-exit", "vcpu-load-put", "never"});
  p.pmi = choose<PmiPath>(root.at("pmi"), {"host-nmi", "dedicated-vector", "direct"});
  p.host_perf = choose<HostPerfUse>(root.at("host_perf"), {"shared", "exclude-guest-only", "denied"});
  p.on_exit =
      choose<OnExit>(root.at("on_exit"), {"stop-all", "stop-instructions-and-branches", "leave-running"});
  p.lockdown_on_erratum = root.get_bool("lockdown_on_erratum", false);
  if (root.has("emulated_instructions"))
    p.count_emulated = root.at("emulated_instructions").as_string() == "count";
  if (root.has("elide_writes")) p.elide_writes = root.at("elide_writes").as_bool() ? 1 : 0;
  check(p, root);
  return p;
}

Policy load_policy(const std::string& path) {
  std::size_t from = path.find_last_of('/');
  from = from == std::string::npos ? 0 : from + 1;
  std::string id = path.substr(from);
  if (const std::size_t dot = id.rfind(".json"); dot != std::string::npos) id.resize(dot);
  return read_policy(load_json(path), id);
}

std::string unmet(const Policy& policy, const CpuModel& host) {
  if (policy.pmi == PmiPath::Direct)
    return "the simulator delivers no physical interrupt to a guest without a VM-exit (pmi 'direct')";
  const pmu::Caps& caps = host.caps;
  if (caps.version == 0 || caps.gp_count == 0) return "the CPU has no architectural PMU";
  if (caps.vendor == pmu::Vendor::Amd && caps.gp_count < 4) return "KVM needs at least 4 counters";
  if (!policy.counters_in_hardware()) return "";
  // perf marks AMD's PMUs as capable of a mediated vPMU on this condition (kvm-vpmu 3.1). Without PerfMonV2
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
