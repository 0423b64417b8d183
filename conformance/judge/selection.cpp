// SPDX-License-Identifier: Apache-2.0
// Globs, files, areas and earlier results.
#include "conformance/judge/selection.h"

#include <fnmatch.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "base/data.h"
#include "base/json.h"

namespace pmusim::conformance {
namespace {

bool matches(const std::string& pattern, const std::string& name, int flags = 0) {
  return ::fnmatch(pattern.c_str(), name.c_str(), flags) == 0;
}

// The shipped cases, from which a plain id is loaded alone.
class Shipped {
 public:
  Shipped() {
    for (const std::string& file : list_files(folder_, ".json"))
      files_[std::filesystem::path(file).stem().string()] = folder_ + "/" + file;
  }
  bool has(const std::string& pattern) const {
    return std::any_of(files_.begin(), files_.end(),
                       [&](const auto& file) { return matches(pattern, file.first); });
  }
  // Those whose id the pattern matches; one whose file cannot be read is reported with the others.
  std::vector<Case> load(const std::string& verb, const std::string& pattern) {
    if (pattern.empty()) return load_cases(folder_);
    std::vector<Case> cases;
    std::vector<InputError> mistakes;
    std::vector<std::string> ids;
    for (const auto& [id, file] : files_) {
      ids.push_back(id);
      if (id != pattern && !matches(pattern, id)) continue;
      try {
        cases.push_back(load_case(file));
      } catch (const InputError& mistake) {
        mistakes.push_back(mistake);
      }
    }
    if (!mistakes.empty()) throw InputError::all_of(mistakes);
    if (cases.empty()) throw no_case(verb, pattern, ids);
    return cases;
  }

 private:
  std::string folder_ = data_path("conformance/cases");
  std::map<std::string, std::string> files_;  // by id
};

std::vector<Case> load(Shipped& shipped, const std::string& verb, const std::string& pattern) {
  std::vector<Case> cases;
  if (std::filesystem::is_regular_file(pattern))
    cases.push_back(load_case(pattern));
  else if (std::filesystem::is_directory(pattern))
    cases = load_cases(pattern);
  else
    cases = shipped.load(verb, pattern);
  if (cases.empty()) throw InputError(pattern, "", "a folder without cases", "at least one");
  return cases;
}

void keep_areas(std::vector<Case>& cases, const std::vector<std::string>& areas) {
  if (areas.empty()) return;
  for (const std::string& area : areas)
    if (std::none_of(case_areas().begin(), case_areas().end(),
                     [&](const std::string& name) { return matches(area, name, FNM_CASEFOLD); }))
      throw InputError("--area", "", "'" + area + "'",
                       "a glob of areas: " + expected_one_of(area, case_areas()));
  cases.erase(std::remove_if(cases.begin(), cases.end(),
                             [&](const Case& c) {
                               return std::none_of(areas.begin(), areas.end(), [&](const std::string& area) {
                                 return matches(area, c.area, FNM_CASEFOLD);
                               });
                             }),
              cases.end());
  if (cases.empty()) throw InputError("--area", "", "no case of that area among those named", "at least one");
}

// A glob that is about none of those named may be about others of the suite.
void leave_out(std::vector<Case>& cases, const std::vector<std::string>& exclude, const Shipped& shipped) {
  for (const std::string& pattern : exclude) {
    const auto kept =
        std::remove_if(cases.begin(), cases.end(), [&](const Case& c) { return matches(pattern, c.id); });
    if (kept == cases.end() && !shipped.has(pattern))
      throw InputError("--exclude", "", "'" + pattern + "', which is none of the cases",
                       "a glob of their ids");
    cases.erase(kept, cases.end());
  }
  if (cases.empty()) throw InputError("--exclude", "", "nothing left", "at least one case");
}

}  // namespace

std::vector<Case> select_cases(const Selection& selection, const std::string& verb) {
  Shipped shipped;
  std::vector<Case> cases;
  std::vector<std::string> patterns = selection.patterns;
  if (patterns.empty()) patterns.push_back("");
  for (const std::string& pattern : patterns)
    for (Case& c : load(shipped, verb, pattern)) {
      const auto known =
          std::find_if(cases.begin(), cases.end(), [&](const Case& k) { return k.id == c.id; });
      if (known == cases.end())
        cases.push_back(std::move(c));
      else if (!std::filesystem::equivalent(known->path, c.path))
        throw InputError(c.path, "/id", "'" + c.id + "', which is also the id in " + known->path,
                         "an id of its own");
    }
  std::sort(cases.begin(), cases.end(), [](const Case& a, const Case& b) { return a.id < b.id; });
  keep_areas(cases, selection.areas);
  leave_out(cases, selection.exclude, shipped);
  const auto plain = [](const Case& c) { return c.divergences.empty(); };
  if (selection.diverging) cases.erase(std::remove_if(cases.begin(), cases.end(), plain), cases.end());
  if (cases.empty())
    throw InputError(verb, "", "no case with a documented divergence among those named", "at least one");
  return cases;
}

RunKey run_key_of(const CaseResult& r) {
  return {r.id, r.model, r.policy, r.cpuid, r.kernel};
}

std::set<RunKey> failures_of(const std::string& path) {
  const std::string file = std::filesystem::is_directory(path) ? path + "/results.json" : path;
  const JsonDocument document = load_json(file);
  std::set<RunKey> failures;
  for (const JsonView& result : document.root().at("results").items()) {
    const std::string verdict = result.at("verdict").one_of({"pass", "fail", "skip", "error"});
    if (verdict != "fail" && verdict != "error") continue;
    const auto text = [&](const char* key) { return result.at(key).as_string(); };
    failures.insert({text("id"), text("model"), text("policy"), text("cpuid"), text("kernel")});
  }
  if (failures.empty()) document.root().at("results").fail("no failure", "a run in which something failed");
  return failures;
}

}  // namespace pmusim::conformance
