// SPDX-License-Identifier: Apache-2.0
// Documented divergences that were met: for people, by policy and reason; for programs, one row each.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/wrap.h"
#include "conformance/judge/report_formats.h"

namespace pmusim::conformance {
namespace {

constexpr unsigned kWidth = 110;

void add_once(std::vector<std::string>& list, const std::string& item) {
  if (std::find(list.begin(), list.end(), item) == list.end()) list.push_back(item);
}

// One check of a case that departs for one reason.
struct Row {
  std::string id, what, expected, got;
  u64 others = 0;  // outcomes at other models or in other rounds of a loop
  std::vector<std::string> models;
};

struct Reason {
  std::string text;
  std::vector<std::string> why;
  std::vector<Row> rows;
};

void add(Reason& reason, const CaseResult& r, const Finding& f) {
  add_once(reason.why, f.why);
  for (Row& row : reason.rows) {
    if (row.id != r.id || row.what != f.what) continue;
    row.others += f.expected != row.expected || f.got != row.got;
    add_once(row.models, r.model);
    return;
  }
  reason.rows.push_back({r.id, f.what, f.expected, f.got, 0, {r.model}});
}

std::string text_of(const Reason& reason) {
  std::string text = "  " + wrapped(reason.text, kWidth, 2, 2) + "\n";
  text += fmt::format("  because of: {}\n", fmt::join(reason.why, "; "));
  std::string id;
  for (const Row& row : reason.rows) {
    if (row.id != id) text += fmt::format("    {}\n", id = row.id);
    const std::string more =
        row.others ? fmt::format(" (and {} other{})", row.others, row.others > 1 ? "s" : "") : "";
    text += fmt::format("      {}: {}: expected {}, got {}{}\n", fmt::join(row.models, ", "), row.what,
                        row.expected, row.got, more);
  }
  return text + "\n";
}

}  // namespace

std::string divergences_text(const std::vector<CaseResult>& results) {
  std::vector<std::string> policies;
  for (const CaseResult& r : results)
    if (!r.divergences.empty()) add_once(policies, r.policy);
  std::string text;
  for (const std::string& policy : policies) {
    std::vector<Reason> reasons;
    for (const CaseResult& r : results) {
      if (r.policy != policy) continue;
      for (const Finding& f : r.divergences) {
        const auto known = std::find_if(reasons.begin(), reasons.end(),
                                        [&](const Reason& reason) { return reason.text == f.reason; });
        add(known != reasons.end() ? *known : reasons.emplace_back(Reason{f.reason, {}, {}}), r, f);
      }
    }
    text += fmt::format("{} departs from the architecture, as documented:\n\n", policy);
    for (const Reason& reason : reasons) text += text_of(reason);
  }
  return text;
}

std::string divergences_json(const std::vector<CaseResult>& results) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const CaseResult& r : results)
    for (const Finding& f : r.divergences)
      rows.push_back({{"id", fmt::format("{}/{}/{}/{}/{}", r.policy, r.model, r.kernel, r.id, f.what)},
                      {"policy", r.policy},
                      {"model", r.model},
                      {"cpuid", r.cpuid},
                      {"kernel", r.kernel},
                      {"case", r.id},
                      {"title", r.title},
                      {"check", what_in_rounds(f)},
                      {"expected", f.expected},
                      {"got", f.got},
                      {"reason", f.reason},
                      {"why", f.why},
                      {"source", f.source}});
  return rows.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace pmusim::conformance
