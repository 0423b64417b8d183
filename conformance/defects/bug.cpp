// SPDX-License-Identifier: Apache-2.0
// Loads defects of the bug library.
#include "conformance/defects/bug.h"

#include "base/data.h"
#include "base/json.h"
#include "conformance/defects/bug_patches.h"
#include "conformance/language/case.h"
#include "hypervisor/vpmu/kernel_release.h"
#include "session/catalog.h"

namespace pmusim::conformance {

using namespace session;

namespace {

// Cases and defects are named after their files.
std::vector<std::string> shipped_ids(const char* folder) {
  std::vector<std::string> ids;
  for (const std::string& file : list_files(data_path(folder), ".json"))
    ids.push_back(file.substr(0, file.size() - 5));
  return ids;
}

}  // namespace

std::vector<std::string> bug_ids() {
  return shipped_ids("conformance/bugs");
}

Bug load_bug(const std::string& id, const std::string& named_by) {
  const std::vector<std::string> ids = bug_ids();
  bool known = false;
  for (const std::string& name : ids) known = known || name == id;
  if (!known) throw InputError(named_by, "", "'" + id + "'", expected_one_of(id, ids, "pmusim list bugs"));

  const JsonDocument document = load_json(data_path("conformance/bugs/" + id + ".json"));
  const JsonView root = document.root();
  root.only_keys({"id", "title", "area", "kind", "sources", "cases", "models", "policies", "kernels",
                  "detection", "verified"});
  Bug bug;
  bug.id = root.at("id").one_of({id});
  bug.title = root.at("title").as_string();
  bug.area = root.at("area").one_of(case_areas());
  root.at("kind").one_of({"bug", "hazard"});
  root.at("detection").as_string();
  root.get_bool("verified", true);
  bug.sources = root.at("sources").as_strings();
  if (bug.sources.empty()) root.at("sources").fail("no source", "at least one");
  bug.cases = root.at("cases").as_strings();
  if (bug.cases.empty()) root.at("cases").fail("no case", "at least one that catches the defect");
  const std::vector<std::string> cases = shipped_ids("conformance/cases");
  for (const JsonView& name : root.at("cases").items()) name.one_of(cases);
  bug.models = models_from(root.at("models").as_strings(), document.name().c_str());
  bug.policies = policies_from(root.at("policies").as_strings(), document.name().c_str());
  bug.kernels = root.has("kernels") ? root.at("kernels").as_strings()
                                    : std::vector<std::string>{hv::release_name(hv::kDefaultRelease)};
  for (const std::string& kernel : bug.kernels) hv::release_by_name(kernel);

  const auto patch = bug_patches().find(id);
  if (patch == bug_patches().end())
    root.at("id").fail("a defect without a patch", "a patch in conformance/defects/bug_patches*.cpp");
  hv::VpmuStrategies strategies = *hv::default_strategies();
  patch->second(strategies);
  bug.strategies = std::make_shared<const hv::VpmuStrategies>(std::move(strategies));
  return bug;
}

}  // namespace pmusim::conformance
