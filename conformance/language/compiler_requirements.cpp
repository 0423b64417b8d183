// SPDX-License-Identifier: Apache-2.0
// What a case requires of the machine it runs on.
#include "conformance/language/compiler.h"

namespace pmusim::conformance {

const std::vector<std::string>& feature_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> out;
    for (const std::string& n : NameTable().names()) {
      if (n.compare(0, 4, "has_") == 0 && n != "has_pmu") out.push_back(n.substr(4));
    }
    return out;
  }();
  return names;
}

void CaseCompiler::compile_requirements(const JsonView& root) {
  const auto add = [&](const std::string& condition, const std::string& words, const std::string& actual) {
    case_requirement r{};
    r.condition = emit(parse(root, condition));
    r.text = text(words);
    if (!actual.empty()) r.actual = emit(parse(root, actual));
    requirements_.push_back(r);
  };
  const bool any = root.has("requires");
  const JsonView requires_view = any ? root.at("requires") : root;
  std::string pmu = "true";
  if (any && requires_view.has("pmu")) {
    const JsonView view = requires_view.at("pmu");
    pmu = view.is_bool() ? (view.as_bool() ? "true" : "false") : view.one_of({"any"});
  }
  if (pmu == "true") add("has_pmu", "a PMU", "");
  if (pmu == "false") add("!has_pmu", "the absence of a PMU", "");
  if (!any) return;
  requires_view.only_keys({"pmu", "vendor", "version", "gp", "fixed", "features", "where"});
  if (requires_view.has("vendor")) {
    const std::string vendor = requires_view.at("vendor").one_of({"intel", "amd"});
    add("vendor_" + vendor, "vendor " + vendor, "");
  }
  for (const auto& [key, name] : {std::pair<const char*, const char*>{"version", "version"},
                                  {"gp", "gp_count"},
                                  {"fixed", "fixed_count"}}) {
    if (!requires_view.has(key)) continue;
    const std::string n = std::to_string(requires_view.at(key).as_u64(64));
    add(name + (" >= " + n), std::string(key) + " >= " + n, name);
  }
  if (requires_view.has("features")) {
    for (const JsonView& f : requires_view.at("features").items()) {
      attempt([&] {
        const std::string name = f.one_of(feature_names());
        add("has_" + name, name, "");
      });
    }
  }
  if (requires_view.has("where")) {
    const JsonView where = requires_view.at("where");
    attempt([&] {
      case_requirement r{};
      r.condition = emit(where);
      r.text = text(where.as_string());
      requirements_.push_back(r);
    });
  }
}

}  // namespace pmusim::conformance
