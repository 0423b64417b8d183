// SPDX-License-Identifier: Apache-2.0
// Which policies something in a case is about: all of them, those with some properties, or by the name of a
// shipped policy, which stands for all of its properties. So a policy of a user's has the oracle that its
// properties give it, whatever its file is called.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "hypervisor/vpmu/policy.h"
#include "hypervisor/vpmu/policy_properties.h"

namespace pmusim::conformance {

struct PolicyMatch {
  struct Property {
    std::string name;
    std::vector<std::string> values;  // any of these
  };
  std::string name;                  // "*", "bare-metal", a shipped policy's; "" if properties are given
  std::optional<hv::Policy> named;   // the shipped one
  std::vector<Property> properties;  // all of them

  // Why it is about that policy (nullptr: bare metal): "policy dedicated", "rdpmc passthrough"; "" if it is
  // not. Where circumstances are not known a property matches if it may hold.
  std::string why(const hv::Policy* policy, const hv::Circumstances& at) const;
};

// A name or an object of properties, each with its value or a list of values. InputError for a name that is
// no shipped policy's, an unknown property, and a value that no policy can have.
PolicyMatch read_policy_match(const JsonView& view);

}  // namespace pmusim::conformance
