// SPDX-License-Identifier: Apache-2.0
// Loads defects of the bug library.
#include "conformance/bug.h"

#include "base/data.h"
#include "base/json.h"
#include "conformance/bug_patches.h"
#include "conformance/target_catalog.h"

namespace pmusim::conformance {

std::vector<std::string> bug_ids() {
  std::vector<std::string> ids;
  for (const std::string& file : list_files(data_path("conformance/bugs"), ".json"))
    ids.push_back(file.substr(0, file.size() - 5));
  return ids;
}

Bug load_bug(const std::string& id) {
  const std::vector<std::string> ids = bug_ids();
  bool known = false;
  for (const std::string& name : ids) known = known || name == id;
  if (!known) throw InputError("--bug", "", "'" + id + "'", expected_one_of(id, ids));

  const JsonDocument document = load_json(data_path("conformance/bugs/" + id + ".json"));
  const JsonView root = document.root();
  root.only_keys({"id", "title", "sources", "models", "policies", "kernels", "detection", "verified"});
  Bug bug;
  bug.id = root.at("id").one_of({id});
  bug.title = root.at("title").as_string();
  bug.sources = root.at("sources").as_strings();
  bug.models = models_from(root.at("models").as_strings(), document.name().c_str());
  bug.policies = policies_from(root.at("policies").as_strings(), document.name().c_str());
  bug.kernels = root.has("kernels") ? root.at("kernels").as_strings() : std::vector<std::string>{"7.2"};
  for (const std::string& kernel : bug.kernels) hv::release_by_name(kernel);

  const auto patch = bug_patches().find(id);
  if (patch == bug_patches().end())
    root.at("id").fail("a defect without a patch", "a patch in bug_patches.cpp");
  hv::VpmuStrategies strategies = *hv::default_strategies();
  patch->second(strategies);
  bug.strategies = std::make_shared<const hv::VpmuStrategies>(std::move(strategies));
  return bug;
}

}  // namespace pmusim::conformance
