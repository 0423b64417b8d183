// SPDX-License-Identifier: Apache-2.0
// Reading and matching.
#include "conformance/language/policy_match.h"

#include <algorithm>

#include "hypervisor/vpmu/policy_file.h"
#include "session/catalog.h"

namespace pmusim::conformance {
namespace {

constexpr const char* kEveryPolicy = "*";

// As property values are named: words, and true and false.
std::string word(const JsonView& view) {
  return view.is_bool() ? view.text() : view.as_string();
}

PolicyMatch::Property read_property(const JsonView& view, const std::string& name) {
  const std::vector<std::string> names = hv::property_names(), valid = hv::property_values(name);
  if (valid.empty())
    view.fail("'" + name + "', which is no property of policies", expected_one_of(name, names));
  PolicyMatch::Property property{name, {}};
  for (const JsonView& value : view.is_array() ? view.items() : std::vector<JsonView>{view}) {
    property.values.push_back(word(value));
    if (std::find(valid.begin(), valid.end(), property.values.back()) == valid.end())
      value.fail("'" + property.values.back() + "', which no policy has for '" + name + "'",
                 expected_one_of(property.values.back(), valid));
  }
  return property;
}

}  // namespace

PolicyMatch read_policy_match(const JsonView& view) {
  PolicyMatch match;
  if (view.is_object()) {
    for (const std::string& name : view.keys())
      match.properties.push_back(read_property(view.at(name), name));
    return match;
  }
  match.name = view.as_string();
  if (match.name == kEveryPolicy || match.name == session::kBareMetal) return match;
  std::vector<std::string> ids = hv::policy_ids();
  if (std::find(ids.begin(), ids.end(), match.name) == ids.end()) {
    ids.insert(ids.end(), {kEveryPolicy, session::kBareMetal});
    view.fail("'" + match.name + "'",
              "a shipped policy or an object of properties; " + expected_one_of(match.name, ids));
  }
  match.named = hv::shipped_policy(match.name);
  return match;
}

std::string PolicyMatch::why(const hv::Policy* policy, const hv::Circumstances& at) const {
  if (!policy) return name == session::kBareMetal ? name : "";
  if (name == kEveryPolicy) return "every policy";
  if (named) return hv::behave_alike(*policy, *named) ? "policy " + name : "";
  std::string reasons;
  for (const Property& property : properties) {
    const std::vector<std::string> has = hv::property_of(*policy, property.name, at);
    const auto fits =
        std::find_first_of(has.begin(), has.end(), property.values.begin(), property.values.end());
    if (fits == has.end()) return "";
    reasons += (reasons.empty() ? "" : ", ") + property.name + " " + *fits;
  }
  return reasons;
}

}  // namespace pmusim::conformance
