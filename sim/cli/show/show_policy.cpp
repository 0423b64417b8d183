// SPDX-License-Identifier: Apache-2.0
// A policy on a host and for a guest: what its conditions, assets and axes come to, and which MSR accesses
// exit there, as the vPMU of such a guest answers.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/json.h"
#include "cli/show/show.h"
#include "hypervisor/vpmu/interception.h"
#include "hypervisor/vpmu/policy_properties.h"
#include "models/counts.h"
#include "session/cpuid_choice.h"
#include "session/vcpu_view.h"

namespace pmusim::cli {
namespace {

Table conditions(const session::VcpuView& vcpu, const pmu::Caps& host) {
  const pmu::Caps& guest = vcpu.caps;
  const auto both = [&](unsigned guest_gp, unsigned guest_fixed, unsigned host_gp, unsigned host_fixed) {
    return fmt::format("general {} in the guest, {} in the host; fixed {} and {}", guest_gp, host_gp,
                       guest_fixed, host_fixed);
  };
  const std::string why[] = {
      both(guest.gp_count, guest.fixed_count(), host.gp_count, host.fixed_count()),
      both(guest.gp_width, guest.fixed_width, host.gp_width, host.fixed_width),
      fmt::format("the guest's version is {}", guest.version),
  };
  static_assert(std::size(hv::kConditions) == sizeof why / sizeof why[0]);
  Table table{"conditions", {"id", "holds", "because"}, {}, true};
  for (std::size_t i = 0; i < std::size(hv::kConditions); ++i)
    table.rows.push_back({hv::kConditions[i].name, vcpu.facts.*hv::kConditions[i].holds, why[i]});
  return table;
}

Table assets(const hv::Policy& policy, const hv::HandlingFacts& facts) {
  Table table{"assets", {"id", "handling", "decided_by"}, {}, true};
  for (unsigned i = 0; i < hv::kAssets; ++i) {
    const hv::Choice& choice = policy.assets[i];
    const hv::Handling handling = choice.resolve(facts);
    const std::string condition = hv::condition_text(choice, facts);
    const auto name = [](hv::Handling h) { return hv::kHandlingNames[static_cast<unsigned>(h)]; };
    const std::string other = name(handling == choice.then ? choice.otherwise : choice.then);
    const std::string asset = hv::asset_name(static_cast<hv::Asset>(i));
    std::string why = "the policy, for all guests";
    if (!condition.empty()) why = condition + ", else " + other;
    if (hv::property_values(asset).size() == 1) why = "nothing else is modelled for guests";
    table.rows.push_back({asset, name(handling), why});
  }
  return table;
}

Table axes(const hv::Policy& policy, hv::KernelRelease release) {
  Table table{"axes", {"id", "value"}, {}, true};
  for (const std::string& name : hv::property_names()) {
    bool asset = false;
    for (unsigned i = 0; i < hv::kAssets; ++i) asset |= name == hv::asset_name(static_cast<hv::Asset>(i));
    if (!asset) table.rows.push_back({name, hv::property_of(policy, name, {{}, release}).at(0)});
  }
  return table;
}

// "IA32_PERFCTR" of "IA32_PERFCTR7".
std::string family(const std::string& name) {
  return name.substr(0, name.find_last_not_of("0123456789") + 1);
}

// Neighbours of one register whose answers are the same stand in one row.
Table registers(const session::VcpuView& vcpu) {
  Table table{
      "registers", {"id", "address", "access", "decided_by", {"count", false}, {"exits", false}}, {}, true};
  const std::vector<session::MsrView>& all = vcpu.registers;
  for (std::size_t i = 0; i < all.size();) {
    std::size_t end = i + 1;
    while (end < all.size() && family(all[end].name) == family(all[i].name) && all[end].why == all[i].why &&
           all[end].write_exits == all[i].write_exits)
      ++end;
    const session::MsrView &first = all[i], &last = all[end - 1];
    const bool one = end == i + 1;
    table.rows.push_back(
        {one ? first.name : first.name + "-" + last.name.substr(family(last.name).size()),
         one ? fmt::format("{:#x}", first.address) : fmt::format("{:#x}-{:#x}", first.address, last.address),
         first.write_exits ? "intercepted" : "passed through", first.why, u64{end - i}, first.write_exits});
    i = end;
  }
  table.rows.push_back({"RDPMC", "", vcpu.rdpmc_exits ? "intercepted" : "passed through", vcpu.rdpmc_why,
                        u64{1}, vcpu.rdpmc_exits});
  return table;
}

Table others(const session::VcpuView& vcpu) {
  Table table{"other_msrs", {"id", "address", "reads", "writes", "decided_by"}, {}, true};
  const auto access = [](bool exits) { return exits ? "intercepted" : "passed through"; };
  for (const session::MsrView& m : vcpu.others)
    table.rows.push_back(
        {m.name, fmt::format("{:#x}", m.address), access(m.read_exits), access(m.write_exits), m.why});
  return table;
}

}  // namespace

Sheet show_policy(const PolicyQuestion& q, const session::Overrides& overrides) {
  const CpuModel model = session::model_by_id(q.model, overrides);
  const auto policy = session::policy_by_id(q.policy, overrides);
  if (!policy) throw InputError("show policy", "", "'" + q.policy + "'", "a policy: bare metal has none");
  const hv::KernelRelease release = hv::release_by_name(q.kernel);
  const JsonDocument file = load_json(policy->file);
  const std::vector<std::string> sources =
      file.root().has("sources") ? file.root().at("sources").as_strings() : std::vector<std::string>{};
  std::string lines;
  for (const std::string& source : sources) lines += (lines.empty() ? "" : "\n") + source;
  Sheet sheet;
  sheet.values = {
      {"id", policy->id},
      {"title", policy->title},
      {"extends", policy->extends.empty() ? Cell::none() : policy->extends},
      {"first_kernel", hv::release_name(policy->first_kernel)},
      {"sources", Cell::both(lines, json_strings(sources))},
      {"file", policy->file},
      {"model", model.id},
      {"kernel", q.kernel},
      {"cpuid", session::resolved_cpuid(q.cpuid, false)},
  };
  if (const std::string reason = hv::unmet(*policy, model, release); !reason.empty())
    throw InputError("show policy", "", "'" + policy->id + "' on " + model.id + ", which cannot run it",
                     "a host that can: " + reason);
  const session::VcpuView vcpu = session::view_vcpu(model, *policy, release, q.cpuid);
  sheet.values.push_back({"host", models::counts_text(model.caps)});
  sheet.values.push_back({"guest", models::counts_text(vcpu.caps)});
  sheet.tables = {conditions(vcpu, model.caps), assets(*policy, vcpu.facts), axes(*policy, release),
                  registers(vcpu), others(vcpu)};
  sheet.values.push_back(
      {"not_modelled", "APIC virtualization: every access to the virtual APIC exits, an EOI (80BH) too"});
  return sheet;
}

}  // namespace pmusim::cli
