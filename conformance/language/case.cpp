// SPDX-License-Identifier: Apache-2.0
// Loading of cases: JSON, schema, meaning, compilation.
#include "conformance/language/case.h"

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "base/data.h"
#include "base/schema.h"
#include "conformance/language/compiler.h"
#include "session/catalog.h"

namespace pmusim::conformance {

using namespace session;
namespace {

const Schema& case_schema() {
  static const Schema schema(load_json(data_path("conformance/schema/case.schema.json")));
  return schema;
}

// A title says what is true; these words say what somebody wishes.
void check_title(const JsonView& view) {
  static const char* const modal[] = {"should", "must", "shall", "may", "might", "could", "would", "ought"};
  std::string word;
  const std::string title = view.as_string() + " ";
  for (const char c : title) {
    if (std::isalpha(static_cast<unsigned char>(c))) {
      word += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      continue;
    }
    for (const char* m : modal) {
      if (word == m) view.fail("the modal verb '" + word + "'", "a statement of what is true");
    }
    word.clear();
  }
}

std::vector<PolicyMatch> read_host_policies(const JsonView& root) {
  std::vector<PolicyMatch> out;
  if (!root.has("host_expect") || !root.at("host_expect").has("policies")) return out;
  for (const JsonView& view : root.at("host_expect").at("policies").items())
    out.push_back(read_policy_match(view));
  return out;
}

std::vector<Divergence> read_divergences(const JsonView& root) {
  std::vector<Divergence> out;
  if (!root.has("divergences")) return out;
  for (const JsonView& view : root.at("divergences").items()) {
    Divergence d;
    d.policies = read_policy_match(view.at("policy"));
    d.vendor = view.get_string("vendor", "");
    if (view.has("kernels")) d.kernels = view.at("kernels").as_strings();
    d.check = view.at("check").as_string();
    d.reason = view.at("reason").as_string();
    d.has_value = view.has("value");
    if (d.has_value && view.at("value").is_string()) d.value = view.at("value").as_string();
    if (d.has_value && view.at("value").is_integer()) d.value = std::to_string(view.at("value").as_s64());
    d.has_when = view.has("when");
    out.push_back(std::move(d));
  }
  return out;
}

// stem: what the id has to be, the name of the case's file; "": anything.
Case from_document(JsonDocument document, const std::string& path, const std::string& stem) {
  case_schema().validate(document);
  Case c;
  c.path = path;
  c.script.document = std::make_shared<const JsonDocument>(std::move(document));
  const JsonView root = c.document().root();
  std::vector<InputError> mistakes;
  const auto attempt = [&mistakes](auto&& work) {
    try {
      work();
    } catch (const InputError& mistake) {
      mistakes.push_back(mistake);
    }
  };
  c.id = root.at("id").as_string();
  attempt([&] {
    if (!stem.empty() && stem != c.id)
      root.at("id").fail("'" + c.id + "'", "'" + stem + "', as the file is named");
  });
  c.title = root.at("title").as_string();
  attempt([&] { check_title(root.at("title")); });
  attempt([&] { c.area = root.at("area").one_of(case_areas()); });
  c.sources = root.at("sources").as_strings();
  attempt([&] { c.divergences = read_divergences(root); });
  attempt([&] { c.host_policies = read_host_policies(root); });
  attempt([&] {
    if (!root.has("setup")) return;
    for (const JsonView& view : root.at("setup").items()) {
      const auto keys = view.keys();
      if (keys.size() != 1) view.fail(std::to_string(keys.size()) + " verbs", "one host verb");
      c.script.setup.push_back(
          {static_cast<u32>(c.script.setup.size()), keys[0], view.at(keys[0]).pointer()});
    }
    c.script.machine();  // checks its arguments
  });
  attempt([&] { CaseCompiler(c).compile(); });
  if (!mistakes.empty()) throw InputError::all_of(mistakes);
  return c;
}

}  // namespace

const std::vector<std::string>& case_areas() {
  static const std::vector<std::string> areas = {"existence and reset values",
                                                 "reserved bits and faults",
                                                 "counter width and sign extension",
                                                 "fixed counters",
                                                 "global control and status",
                                                 "overflow and PMI",
                                                 "LVTPC",
                                                 "RDPMC",
                                                 "privilege filtering",
                                                 "CMASK, INV and EDGE",
                                                 "exact instruction and branch counts",
                                                 "counting across VM-exits",
                                                 "emulated instructions",
                                                 "event filter",
                                                 "freeze-on-PMI",
                                                 "version and CPUID",
                                                 "absent PMU"};
  return areas;
}

InputError no_case(const std::string& verb, const std::string& name, const std::vector<std::string>& ids) {
  if (is_path(name)) return InputError(name, "", "no such file", "the file of a case");
  const auto begins =
      std::count_if(ids.begin(), ids.end(), [&](const std::string& id) { return id.rfind(name, 0) == 0; });
  if (begins > 1 && verb != "show case")
    return InputError(verb, "", "no case '" + name + "'",
                      "a case's id, or '" + name + "*' for the " + std::to_string(begins) + " that begin so");
  return InputError(verb, "", "no case '" + name + "'", expected_one_of(name, ids, "pmusim list cases"));
}

Case load_case(const std::string& path) {
  return from_document(load_json(path), path, std::filesystem::path(path).stem().string());
}

Case parse_case(const std::string& text, const std::string& name) {
  return from_document(parse_json(text, name), name, "");
}

std::vector<Case> load_cases(const std::string& folder) {
  std::vector<Case> out;
  std::vector<InputError> mistakes;
  std::map<std::string, std::string> seen;
  for (const std::string& file : list_files(folder, ".json")) {
    try {
      out.push_back(load_case(folder + "/" + file));
      const auto [it, added] = seen.emplace(out.back().id, out.back().path);
      if (!added)
        out.back().document().root().at("id").fail(
            "'" + out.back().id + "', which is also the id in " + it->second, "an id of its own");
    } catch (const InputError& mistake) {
      mistakes.push_back(mistake);
    }
  }
  if (!mistakes.empty()) throw InputError::all_of(mistakes);
  return out;
}

bool Case::has_host_expect() const {
  return document().root().has("host_expect");
}
JsonView Case::host_expect() const {
  return document().root().at("host_expect");
}

}  // namespace pmusim::conformance
