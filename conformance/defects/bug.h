// SPDX-License-Identifier: Apache-2.0
// The bug library: historical defects of vPMUs that can be injected. A defect is a file
// conformance/bugs/ID.json and a patch of KVM's strategies (bug_patches.h). Members of the file: id; title
// (what was wrong); area (of the suite; one of the cases has it); kind ("bug": was in a release; "hazard": a
// rule whose violation is not known to have been released); sources; cases (ids that are expected to catch
// it); models, policies, kernels (where it shows); detection (how a guest notices); verified (false: not all
// of the sources could be read).
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace pmusim::hv {
struct VpmuStrategies;
}

namespace pmusim::conformance {

struct Bug {
  std::string id, title, area;
  std::vector<std::string> sources, cases;
  // Where it shows: a case must fail at one of these points.
  std::vector<std::string> models, policies, kernels;
  std::shared_ptr<const hv::VpmuStrategies> strategies;  // KVM's with the defect; nullptr: no defect
};

std::vector<std::string> bug_ids();   // of the shipped library, sorted
Bug load_bug(const std::string& id);  // InputError for an unknown id or a wrong file

}  // namespace pmusim::conformance
