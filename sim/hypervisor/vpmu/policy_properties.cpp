// SPDX-License-Identifier: Apache-2.0
// Properties by name: the assets, then a row for each axis.
#include "hypervisor/vpmu/policy_properties.h"

#include <algorithm>
#include <iterator>
#include <tuple>

namespace pmusim::hv {
namespace {

const std::vector<std::string> kNoYes = {"false", "true"};

struct Axis {
  const char* name;
  const std::vector<std::string>* values;
  int (*of)(const Policy&, const Circumstances&);  // index of its value; -1: any
};

const Axis kAxes[] = {
    {"switch_at", &kSwitchAtNames, [](const Policy& p, const Circumstances&) { return int(p.switch_at); }},
    {"pmi", &kPmiNames, [](const Policy& p, const Circumstances&) { return int(p.pmi); }},
    {"host_perf", &kHostPerfNames, [](const Policy& p, const Circumstances&) { return int(p.host_perf); }},
    {"on_exit", &kOnExitNames, [](const Policy& p, const Circumstances&) { return int(p.on_exit); }},
    {"emulated_instructions", &kEmulatedInstructionsNames,
     [](const Policy& p, const Circumstances&) { return int(p.count_emulated); }},
    {"lockdown_on_erratum", &kNoYes,
     [](const Policy& p, const Circumstances&) { return int(p.lockdown_on_erratum); }},
    {"elide_writes", &kNoYes,
     [](const Policy& p, const Circumstances& at) {
       if (p.elide_writes < 0 && !at.release) return -1;
       return int(p.elides_writes(at.release.value_or(kDefaultRelease)));
     }},
};

// Index of the asset, or kAssets.
unsigned asset_by_name(const std::string& name) {
  unsigned i = 0;
  while (i < kAssets && name != asset_name(static_cast<Asset>(i))) ++i;
  return i;
}

const std::string& name_of(Handling handling) {
  return kHandlingNames[static_cast<unsigned>(handling)];
}

auto behaviour(const Choice& c) {
  // Where both are the same the condition says nothing.
  const bool conditional = c.then != c.otherwise;
  return std::make_tuple(c.then, c.otherwise, conditional && c.counts_match, conditional && c.widths_match,
                         conditional && c.version_above_1);
}

}  // namespace

std::vector<std::string> property_names() {
  std::vector<std::string> names;
  for (unsigned i = 0; i < kAssets; ++i) names.push_back(asset_name(static_cast<Asset>(i)));
  for (const Axis& axis : kAxes) names.push_back(axis.name);
  return names;
}

std::vector<std::string> property_values(const std::string& name) {
  for (const Axis& axis : kAxes)
    if (name == axis.name) return *axis.values;
  std::vector<std::string> values;
  const unsigned asset = asset_by_name(name);
  for (unsigned h = 0; asset < kAssets && h < kHandlingNames.size(); ++h)
    if (!impossible(static_cast<Asset>(asset), static_cast<Handling>(h))) values.push_back(kHandlingNames[h]);
  return values;
}

std::vector<std::string> property_of(const Policy& policy, const std::string& name, const Circumstances& at) {
  for (const Axis& axis : kAxes) {
    if (name != axis.name) continue;
    const int index = axis.of(policy, at);
    return index < 0 ? *axis.values : std::vector<std::string>{(*axis.values)[static_cast<unsigned>(index)]};
  }
  const unsigned asset = asset_by_name(name);
  if (asset == kAssets) return {};
  const Choice& choice = policy.assets[asset];
  if (at.facts) return {name_of(choice.resolve(*at.facts))};
  if (choice.then == choice.otherwise) return {name_of(choice.then)};
  return {name_of(choice.then), name_of(choice.otherwise)};
}

bool behave_alike(const Policy& a, const Policy& b) {
  return std::all_of(std::begin(kAxes), std::end(kAxes),
                     [&](const Axis& axis) { return axis.of(a, {}) == axis.of(b, {}); }) &&
         std::equal(a.assets.begin(), a.assets.end(), b.assets.begin(),
                    [](const Choice& x, const Choice& y) { return behaviour(x) == behaviour(y); });
}

}  // namespace pmusim::hv
