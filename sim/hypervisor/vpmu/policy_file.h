// SPDX-License-Identifier: Apache-2.0
// Policy files (docs/policy-format.md; policies/schema.json is their shape). A file may extend another policy
// and says then only what differs. InputError for a bad file, for a base that is none, and for combinations
// that cannot work.
#pragma once

#include <string>
#include <vector>

#include "hypervisor/vpmu/policy.h"

namespace pmusim {
class JsonDocument;
}

namespace pmusim::hv {

std::vector<std::string> policy_ids();           // of the shipped policies, sorted
Policy shipped_policy(const std::string& id);    // one of these
std::string policy_id(const std::string& path);  // the file's name without .json
Policy load_policy(const std::string& path);
Policy read_policy(const JsonDocument& document, const std::string& id);
Policy parse_policy(const std::string& text, const std::string& file, const std::string& id);

}  // namespace pmusim::hv
