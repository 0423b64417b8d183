// SPDX-License-Identifier: Apache-2.0
// Names of models, policies and kernels, and what they stand for.
#include "session/catalog.h"

#include <algorithm>

#include "base/data.h"
#include "base/json.h"
#include "hypervisor/vpmu/policy_file.h"
#include "models/models.h"

namespace pmusim::session {
namespace {

void add_once(std::vector<std::string>& list, const std::string& name) {
  if (std::find(list.begin(), list.end(), name) == list.end()) list.push_back(name);
}

void check_name(const std::string& name, const std::vector<std::string>& valid, const char* option) {
  if (is_path(name) || std::find(valid.begin(), valid.end(), name) != valid.end()) return;
  throw InputError(option, "", "'" + name + "'", expected_one_of(name, valid));
}

}  // namespace

Overrides split_overrides(const std::vector<std::string>& set) {
  Overrides split;
  for (const std::string& text : set) {
    const std::size_t dot = text.find('.');
    const std::string part = text.substr(0, dot);
    const std::string rest = dot == std::string::npos ? "" : text.substr(dot + 1);
    if (rest.empty() || rest[0] == '=' || rest.find('=') == std::string::npos)
      throw InputError("--set", "", "'" + text + "'",
                       "model.KEY=VALUE, policy.KEY=VALUE, scenario.KEY=VALUE or host.COST=CYCLES");
    if (part == "model")
      split.model.push_back(rest);
    else if (part == "policy")
      split.policy.push_back(rest);
    else if (part == "scenario")
      split.scenario.push_back(rest);
    else if (part == "host")
      split.host.push_back(rest);
    else
      throw InputError("--set", "", "'" + part + "'",
                       expected_one_of(part, {"model", "policy", "scenario", "host"}));
  }
  return split;
}

std::vector<std::string> models_from(const std::vector<std::string>& names, const char* option) {
  std::vector<std::string> list;
  const std::vector<std::string> valid = models::model_ids();
  for (const std::string& name : names) {
    if (name == "all") {
      if (valid.empty()) throw InputError(data_path("models"), "", "no models", "a JSON file for each");
      for (const std::string& id : valid) add_once(list, id);
      continue;
    }
    check_name(name, valid, option);
    add_once(list, name);
  }
  return list;
}

std::vector<std::string> policies_from(const std::vector<std::string>& names, const char* option) {
  std::vector<std::string> list;
  std::vector<std::string> valid = hv::policy_ids();
  valid.push_back(kBareMetal);
  for (const std::string& name : names) {
    if (name == "all") {
      add_once(list, kBareMetal);
      for (const char* preset : kPresets) add_once(list, preset);
      continue;
    }
    check_name(name, valid, option);
    add_once(list, name);
  }
  return list;
}

CpuModel model_by_id(const std::string& id, const Overrides& overrides, bool interval) {
  return models::load_model(id, overrides.model, interval);
}

std::optional<hv::Policy> policy_by_id(const std::string& id, const Overrides& overrides) {
  if (id == kBareMetal) return std::nullopt;
  JsonDocument document = load_json(is_path(id) ? id : data_path("policies/" + id + ".json"));
  for (const std::string& assignment : overrides.policy) document.override_value(assignment, "policy.");
  return hv::read_policy(document, hv::policy_id(document.name()));
}

}  // namespace pmusim::session
