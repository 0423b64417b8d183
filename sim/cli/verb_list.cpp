// SPDX-License-Identifier: Apache-2.0
// pmusim list models|policies|events|features|cases|bugs|experiments [--model LIST] [--json]: what other
// verbs accept as names. With --json one array of objects, each with an "id".
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/data.h"
#include "base/json.h"
#include "cli/options.h"
#include "cli/run_config.h"
#include "cli/verbs.h"
#include "hypervisor/vpmu/kernel_release.h"
#include "hypervisor/vpmu/policy_file.h"
#include "model/cpu_model.h"
#include "models/models.h"
#include "session/catalog.h"
#include "session/cpuid_choice.h"

namespace pmusim::cli {
namespace {

using nlohmann::json;

json list_models() {
  json rows = json::array();
  for (const std::string& id : models::model_ids()) {
    const CpuModel model = models::load_model(id);
    rows.push_back({{"id", id},
                    {"title", model.name},
                    {"vendor", vendor_name(model.vendor)},
                    {"pmu_version", model.caps.version},
                    {"gp_counters", model.caps.gp_count},
                    {"fixed_counters", model.caps.fixed_count()},
                    {"counter_width", model.caps.gp_width},
                    {"assumed_values", model.assumed.size()}});
  }
  return rows;
}

// "extends": the policy that it changes, or null. "refused": the models that cannot run the policy on the
// newest modelled kernel, and why.
json list_policies(const std::vector<std::string>& model_ids) {
  std::vector<CpuModel> hosts;
  for (const std::string& id : model_ids) hosts.push_back(models::load_model(id));
  json rows = json::array();
  for (const std::string& id : hv::policy_ids()) {
    const hv::Policy policy = *session::policy_by_id(id, {});
    json refused = json::array();
    for (const CpuModel& host : hosts)
      if (const std::string reason = hv::unmet(policy, host, hv::release_by_name(RunConfig{}.kernel));
          !reason.empty())
        refused.push_back({{"model", host.id}, {"reason", reason}});
    const json base = policy.extends.empty() ? json() : json(policy.extends);
    rows.push_back({{"id", id}, {"title", policy.title}, {"extends", base}, {"refused", refused}});
  }
  return rows;
}

json list_features() {
  json rows = json::array();
  for (const session::CpuidFeature& f : session::cpuid_features())
    rows.push_back({{"id", f.name}, {"title", f.bit}});
  return rows;
}

// One row per event name; its encodings differ between models.
json list_events(const std::vector<std::string>& model_ids) {
  std::map<std::string, json> encodings;
  for (const std::string& id : model_ids)
    for (const pmu::EventInfo& event : models::load_model(id, {}, true).events)
      encodings[event.name].push_back({{"model", id},
                                       {"event", fmt::format("0x{:x}", event.code)},
                                       {"umask", fmt::format("0x{:x}", event.umask)},
                                       {"counted", event.counted()},
                                       {"needs_interval", event.needs_interval}});
  json rows = json::array();
  for (const auto& [name, list] : encodings) {
    std::string models, codes;
    bool interval = false;
    for (const json& e : list) {
      interval |= e["counted"].get<bool>() && e["needs_interval"].get<bool>();
      if (e["counted"]) models += (models.empty() ? "" : " ") + e["model"].get<std::string>();
      const std::string code = e["event"].get<std::string>() + "/" + e["umask"].get<std::string>();
      if (codes.find(code) == std::string::npos) codes += (codes.empty() ? "" : " ") + code;
    }
    const std::string counted =
        models.empty() ? "not counted"
                       : "counted on " + models + (interval ? ", not with --timing functional" : "");
    rows.push_back({{"id", name},
                    {"title", fmt::format("{:<16} {}", codes, counted)},
                    {"counted", !models.empty()},
                    {"needs_interval", interval},
                    {"encodings", list}});
  }
  return rows;
}

json list_described(const char* folder) {
  json rows = json::array();
  const std::string root = data_path(folder);
  for (const std::string& file : list_files(root, ".json")) {
    const JsonDocument document = load_json(root + "/" + file);
    const JsonView view = document.root();
    rows.push_back(
        {{"id", view.at("id").as_string()}, {"title", view.at("title").as_string()}, {"file", file}});
    if (view.has("area")) rows.back()["area"] = view.at("area").as_string();
    if (view.has("sources")) rows.back()["sources"] = view.at("sources").as_strings();
  }
  std::sort(rows.begin(), rows.end(), [](const json& a, const json& b) { return a["id"] < b["id"]; });
  return rows;
}

json rows_of(const std::string& what, const std::vector<std::string>& models) {
  if (what == "models") return list_models();
  if (what == "policies") return list_policies(models);
  if (what == "events") return list_events(models);
  if (what == "features") return list_features();
  if (what == "cases") return list_described("conformance/cases");
  if (what == "bugs") return list_described("conformance/bugs");
  if (what == "experiments") return list_described("experiments");
  throw InputError(
      "list", "", "'" + what + "'",
      expected_one_of(what, {"models", "policies", "events", "features", "cases", "bugs", "experiments"}));
}

// --model limits what belongs to models: events, and who can run a policy.
int list(const std::string& what, const std::vector<std::string>& model_lists, bool as_json) {
  if (!model_lists.empty() && what != "events" && what != "policies")
    throw InputError("--model", "", "'" + what + "'", "it with 'events' or 'policies'");
  const std::vector<std::string> chosen = session::models_from(
      split_list("--model", model_lists.empty() ? std::vector<std::string>{"all"} : model_lists), "--model");
  const json rows = rows_of(what, chosen);
  if (as_json) {
    fmt::print("{}\n", rows.dump(2));
    return 0;
  }
  if (rows.empty()) fmt::print(stderr, "no {} are installed\n", what);
  std::size_t width = 0;
  for (const json& row : rows) width = std::max(width, row["id"].get<std::string>().size());
  for (const json& row : rows) {
    fmt::print("{:<{}}  {}\n", row["id"].get<std::string>(), width, row["title"].get<std::string>());
    if (row.contains("extends") && row["extends"].is_string())
      fmt::print("{:<{}}  extends {}\n", "", width, row["extends"].get<std::string>());
    std::map<std::string, std::string> refusing;  // models by reason
    for (const json& r : row.value("refused", json::array())) {
      std::string& models = refusing[r["reason"]];
      models += (models.empty() ? "" : ", ") + r["model"].get<std::string>();
    }
    for (const auto& [reason, models] : refusing)
      fmt::print("{:<{}}  not on {}: {}\n", "", width, models, reason);
  }
  if (what == "events") {
    const auto missing =
        std::count_if(rows.begin(), rows.end(), [](const json& row) { return !row["counted"]; });
    fmt::print("{} events, of which the simulator knows {} by name only and counts nothing for them\n",
               rows.size(), missing);
  }
  return 0;
}

}  // namespace

void add_list(const VerbOptions& command, Action& action) {
  const VerbOptions verb =
      command.verb("list", "List models, policies, events, features, cases, bugs or experiments");
  auto what = std::make_shared<std::string>();
  auto as_json = std::make_shared<bool>(false);
  auto model_lists = std::make_shared<std::vector<std::string>>();
  verb.word("WHAT", *what, "models, policies, events, features (of --cpuid), cases, bugs or experiments")
      .required();
  verb.arguments("--model", *model_lists, "events of these models, policies that they refuse; default: all");
  verb.flag("--json", *as_json, "print one JSON array of objects");
  verb.parsed([=, &action] { action = [=] { return list(*what, *model_lists, *as_json); }; });
}

}  // namespace pmusim::cli
