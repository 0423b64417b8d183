// SPDX-License-Identifier: Apache-2.0
// The bug library: historical defects of vPMUs that can be injected. A defect is a file
// conformance/bugs/ID.json (what it was, where it is documented, where it shows) and a patch of KVM's
// strategies (bug_patches.h).
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace pmusim::hv {
struct VpmuStrategies;
}

namespace pmusim::conformance {

struct Bug {
  std::string id, title;
  std::vector<std::string> sources;
  std::vector<std::string> models, policies,
      kernels;  // where it shows: a case must fail at one of these points
  std::shared_ptr<const hv::VpmuStrategies> strategies;  // KVM's with the defect; nullptr: no defect
};

std::vector<std::string> bug_ids();   // of the shipped library, sorted
Bug load_bug(const std::string& id);  // InputError for an unknown id or a wrong file

}  // namespace pmusim::conformance
