// SPDX-License-Identifier: Apache-2.0
// A conformance case: what it is about, what it needs and checks, and where policies are known to differ.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/data.h"
#include "cli/show/show.h"
#include "conformance/language/case.h"
#include "hypervisor/vpmu/policy_file.h"

namespace pmusim::cli {
namespace {

using conformance::Case;
using conformance::Divergence;
using conformance::PolicyMatch;

// "vendor intel, version 2, features fixed0 global_ctrl".
std::string requirements(const JsonView& root) {
  if (!root.has("requires")) return "";
  std::string text;
  const JsonView needs = root.at("requires");
  for (const std::string& key : needs.keys()) {
    const JsonView need = needs.at(key);
    std::string value;
    if (need.is_array())
      for (const JsonView& item : need.items()) value += (value.empty() ? "" : " ") + item.as_string();
    else
      value = need.is_string() ? need.as_string() : need.text();
    text += (text.empty() ? "" : ", ") + key + " " + value;
  }
  return text;
}

std::string lines_of(const JsonView& root, const char* key) {
  std::string text;
  if (root.has(key))
    for (const JsonView& item : root.at(key).items())
      text += (text.empty() ? "" : "\n") + (item.is_string() ? item.as_string() : item.text());
  return text;
}

Cell json_of(const JsonView& root, const char* key, const std::string& text) {
  return root.has(key) ? Cell::both(text, root.at(key).text()) : Cell::none();
}

std::string match_text(const PolicyMatch& match) {
  if (match.name == "*") return "every policy";
  if (!match.name.empty()) return match.name;
  std::string text;
  for (const PolicyMatch::Property& property : match.properties) {
    std::string values;
    for (const std::string& value : property.values) values += (values.empty() ? "" : " or ") + value;
    text += (text.empty() ? "" : ", ") + property.name + " " + values;
  }
  return text;
}

// The shipped policies that it may be about: the guest's CPUID and the host decide the conditions.
std::vector<std::string> policies_of(const PolicyMatch& match, const std::vector<hv::Policy>& shipped) {
  std::vector<std::string> ids;
  for (const hv::Policy& policy : shipped)
    if (!match.why(&policy, {}).empty()) ids.push_back(policy.id);
  return ids;
}

Table checks(const Case& c) {
  Table table{"checks", {"title"}, {}, false};
  for (const std::string& title : c.check_titles) table.rows.push_back({title});
  return table;
}

Table divergences(const Case& c) {
  Table table{"divergences",
              {"where",
               "text",
               {"check", false},
               {"value", false},
               {"vendor", false},
               {"kernels", false},
               {"reason", false},
               {"shipped_policies", false}},
              {},
              false};
  std::vector<hv::Policy> shipped;
  for (const std::string& id : hv::policy_ids()) shipped.push_back(hv::shipped_policy(id));
  for (const Divergence& d : c.divergences) {
    const std::vector<std::string> ids = policies_of(d.policies, shipped);
    std::string where = match_text(d.policies), names, releases;
    for (const std::string& id : ids) names += (names.empty() ? "" : ", ") + id;
    for (const std::string& kernel : d.kernels) releases += (releases.empty() ? "" : ", ") + kernel;
    std::string text = "check: " + d.check;
    text += d.has_value ? "\ngives " + d.value : std::string("\nfails");
    if (d.has_when) text += ", where the case's \"when\" holds";
    if (!d.vendor.empty()) text += "\non " + d.vendor;
    if (!releases.empty()) text += "\nkernels " + releases;
    text += "\nof the shipped policies " + (names.empty() ? "none" : names) + "\nbecause " + d.reason;
    table.rows.push_back({where, text, d.check, d.has_value ? Cell(d.value) : Cell::none(),
                          d.vendor.empty() ? Cell::none() : Cell(d.vendor),
                          Cell::both("", json_strings(d.kernels)), d.reason,
                          Cell::both("", json_strings(ids))});
  }
  return table;
}

Case case_of(const std::string& name) {
  if (is_path(name) && std::filesystem::exists(name)) return conformance::load_case(name);
  const std::string folder = data_path("conformance/cases");
  std::vector<std::string> ids;
  for (const std::string& file : list_files(folder, ".json"))
    ids.push_back(std::filesystem::path(file).stem().string());
  if (std::find(ids.begin(), ids.end(), name) == ids.end())
    throw conformance::no_case("show case", name, ids);
  return conformance::load_case(folder + "/" + name + ".json");
}

}  // namespace

Sheet show_case(const std::string& name) {
  const Case c = case_of(name);
  const JsonView root = c.document().root();
  Sheet sheet;
  sheet.values = {{"id", c.id},
                  {"title", c.title},
                  {"area", c.area},
                  {"file", c.path},
                  {"notes", root.get_string("notes", "")},
                  {"sources", json_of(root, "sources", lines_of(root, "sources"))},
                  {"requires", json_of(root, "requires", requirements(root))},
                  {"setup", json_of(root, "setup", lines_of(root, "setup"))}};
  sheet.tables = {checks(c), divergences(c)};
  return sheet;
}

}  // namespace pmusim::cli
