// SPDX-License-Identifier: Apache-2.0
// Reading of policy files: a policy is what its base is, with what the file itself says on top.
#include "hypervisor/vpmu/policy_file.h"

#include <algorithm>
#include <filesystem>

#include "base/data.h"
#include "base/json.h"
#include "base/schema.h"
#include "hypervisor/vpmu/policy_check.h"
#include "hypervisor/vpmu/policy_properties.h"

namespace pmusim::hv {
namespace {

namespace fs = std::filesystem;

// Index of the string in names, which is also the value of the enumeration.
template <class Enum>
Enum choose(const JsonView& view, const std::vector<std::string>& names) {
  const std::string text = view.one_of(names);
  return static_cast<Enum>(std::find(names.begin(), names.end(), text) - names.begin());
}

Choice read_choice(const JsonView& view) {
  Choice choice;
  if (!view.is_object()) {
    choice.then = choice.otherwise = choose<Handling>(view, kHandlingNames);
    return choice;
  }
  const auto condition = [&](const JsonView& when) {
    for (const Condition& c : kConditions)
      if (when.as_string() == c.name) choice.*c.asked = true;
  };
  const JsonView when = view.at("when");
  if (when.is_array()) {
    for (const JsonView& item : when.items()) condition(item);
  } else {
    condition(when);
  }
  choice.then = choose<Handling>(view.at("then"), kHandlingNames);
  choice.otherwise = choose<Handling>(view.at("else"), kHandlingNames);
  return choice;
}

std::string shipped_path(const std::string& id) {
  return data_path("policies/" + id + ".json");
}

// The file that "extends" names: a shipped policy, or a path relative to the file that says it.
std::string base_file(const JsonView& extends) {
  const std::string name = extends.as_string();
  if (!is_path(name)) {
    const std::vector<std::string> ids = policy_ids();
    if (std::find(ids.begin(), ids.end(), name) == ids.end())
      extends.fail("'" + name + "'", "a policy; " + expected_one_of(name, ids));
    return shipped_path(name);
  }
  const fs::path file = fs::path(extends.document().name()).parent_path() / name;
  std::error_code error;
  if (!fs::is_regular_file(file, error))
    extends.fail("'" + name + "', which is no file" + (error ? " (" + error.message() + ")" : ""),
                 "the file of a policy");
  return file.string();
}

bool same_file(const std::string& a, const std::string& b) {
  std::error_code no_a, no_b;
  return fs::weakly_canonical(a, no_a) == fs::weakly_canonical(b, no_b) && !no_a && !no_b;
}

Policy read(const JsonDocument& document, const std::string& id, std::vector<std::string> extending);

// The base's assets and axes. extending: the files from the first one to this one.
Policy read_base(const JsonView& extends, std::vector<std::string> extending) {
  const std::string file = base_file(extends);
  for (const std::string& earlier : extending)
    if (same_file(earlier, file))
      extends.fail("'" + extends.as_string() + "', which " +
                       (extending.size() == 1 ? "is this file" : "itself extends this file"),
                   "a policy that does not extend this one");
  return read(load_json(file), policy_id(file), std::move(extending));
}

Policy read(const JsonDocument& document, const std::string& id, std::vector<std::string> extending) {
  static const Schema schema(load_json(data_path("policies/schema.json")));
  schema.validate(document);
  const JsonView root = document.root();
  extending.push_back(document.name());
  Policy p;
  if (root.has("extends")) {
    p = read_base(root.at("extends"), std::move(extending));
    p.extends = root.at("extends").as_string();
  } else {
    for (const char* key : {"sources", "assets", "switch_at", "pmi", "host_perf", "on_exit"})
      if (!root.has(key))
        root.fail(std::string("no '") + key + "'", "a value for it, or 'extends' with a policy that has one");
  }
  p.id = id;
  p.file = document.name();
  p.title = root.at("title").as_string();
  if (root.has("first_kernel"))
    p.first_kernel = choose<KernelRelease>(root.at("first_kernel"), release_names());
  for (unsigned i = 0; root.has("assets") && i < kAssets; ++i) {
    const JsonView assets = root.at("assets");
    const char* name = asset_name(static_cast<Asset>(i));
    if (assets.has(name)) p.assets[i] = read_choice(assets.at(name));
  }
  if (root.has("switch_at")) p.switch_at = choose<SwitchAt>(root.at("switch_at"), kSwitchAtNames);
  if (root.has("pmi")) p.pmi = choose<PmiPath>(root.at("pmi"), kPmiNames);
  if (root.has("host_perf")) p.host_perf = choose<HostPerfUse>(root.at("host_perf"), kHostPerfNames);
  if (root.has("on_exit")) p.on_exit = choose<OnExit>(root.at("on_exit"), kOnExitNames);
  if (root.has("emulated_instructions"))
    p.count_emulated = choose<int>(root.at("emulated_instructions"), kEmulatedInstructionsNames) != 0;
  p.lockdown_on_erratum = root.get_bool("lockdown_on_erratum", p.lockdown_on_erratum);
  if (root.has("elide_writes")) p.elide_writes = root.at("elide_writes").as_bool() ? 1 : 0;
  check_policy(p, root);
  return p;
}

}  // namespace

std::vector<std::string> policy_ids() {
  std::vector<std::string> ids;
  for (const std::string& file : list_files(data_path("policies"), ".json"))
    if (file != "schema.json") ids.push_back(policy_id(file));
  return ids;
}

std::string policy_id(const std::string& path) {
  const std::string name = fs::path(path).filename().string();
  return fs::path(name).extension() == ".json" ? fs::path(name).stem().string() : name;
}

Policy shipped_policy(const std::string& id) {
  return load_policy(shipped_path(id));
}

Policy load_policy(const std::string& path) {
  return read_policy(load_json(path), policy_id(path));
}

Policy read_policy(const JsonDocument& document, const std::string& id) {
  return read(document, id, {});
}

Policy parse_policy(const std::string& text, const std::string& file, const std::string& id) {
  return read_policy(parse_json(text, file), id);
}

}  // namespace pmusim::hv
