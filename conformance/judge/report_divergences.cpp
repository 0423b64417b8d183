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

using Outcomes = std::vector<std::string>;  // "expected 83 (0x53), got 171 (0xab)", each once

// A check of a case at one point.
struct Row {
  std::string id, what, place;
  Outcomes outcomes;
};

// What one reason explains.
struct Reason {
  std::string text;
  std::vector<std::string> why, sources;
  std::vector<Row> rows;
};

void add(Reason& reason, const CaseResult& r, const std::string& place, const Finding& f) {
  add_once(reason.why, f.why);
  add_once(reason.sources, f.source);
  const auto known = std::find_if(reason.rows.begin(), reason.rows.end(), [&](const Row& row) {
    return row.id == r.id && row.what == f.what && row.place == place;
  });
  Row& row = known != reason.rows.end() ? *known : reason.rows.emplace_back(Row{r.id, f.what, place, {}});
  add_once(row.outcomes, fmt::format("expected {}, got {}", f.expected, f.got));
}

// The rows of one case, those of equal outcomes at several places in one line.
std::string lines_of(std::vector<Row> rows) {
  std::string text;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::string places = rows[i].place;
    for (std::size_t j = rows.size() - 1; j > i; --j)
      if (rows[j].what == rows[i].what && rows[j].outcomes == rows[i].outcomes) {
        places.insert(rows[i].place.size(), ", " + rows[j].place);
        rows.erase(rows.begin() + static_cast<std::ptrdiff_t>(j));
      }
    const std::size_t others = rows[i].outcomes.size() - 1;
    const std::string more =
        others ? fmt::format(" (and {} other outcome{} in other rounds)", others, others > 1 ? "s" : "") : "";
    text += fmt::format("      {}: {}: {}{}\n", places, rows[i].what, rows[i].outcomes[0], more);
  }
  return text;
}

std::string text_of(const Reason& reason, bool sources) {
  std::string text = "  " + wrapped(reason.text, kWidth, 2, 2) + "\n";
  text += fmt::format("  because of: {}\n", fmt::join(reason.why, "; "));
  std::vector<std::string> ids;
  for (const Row& row : reason.rows) add_once(ids, row.id);
  for (const std::string& id : ids) {
    std::vector<Row> rows;
    for (const Row& row : reason.rows)
      if (row.id == id) rows.push_back(row);
    text += fmt::format("    {}\n{}", id, lines_of(std::move(rows)));
  }
  for (const std::string& source : sources ? reason.sources : std::vector<std::string>())
    text += "    source: " + wrapped(source, kWidth, 12, 12) + "\n";
  return text + "\n";
}

// Of all results the same, or "".
std::string only(const std::vector<CaseResult>& results, const std::string& policy,
                 std::string CaseResult::*member) {
  std::vector<std::string> values;
  for (const CaseResult& r : results)
    if (r.policy == policy && !r.divergences.empty()) add_once(values, r.*member);
  return values.size() == 1 ? values[0] : "";
}

// "/steps/3": two steps may have one title.
std::string step_of(const Finding& f) {
  const std::size_t pointer = f.place.find('/');
  return pointer == std::string::npos ? "" : f.place.substr(pointer);
}

}  // namespace

std::string divergences_text(const std::vector<CaseResult>& results, bool sources) {
  std::vector<std::string> policies;
  for (const CaseResult& r : results)
    if (!r.divergences.empty()) add_once(policies, r.policy);
  std::string text;
  for (const std::string& policy : policies) {
    const std::string cpuid = only(results, policy, &CaseResult::cpuid),
                      kernel = only(results, policy, &CaseResult::kernel);
    std::vector<Reason> reasons;
    for (const CaseResult& r : results) {
      if (r.policy != policy) continue;
      std::string place = r.model;  // and what is not the same for all
      if (cpuid.empty()) place += " cpuid " + r.cpuid;
      if (kernel.empty()) place += " kernel " + r.kernel;
      for (const Finding& f : r.divergences) {
        const auto known = std::find_if(reasons.begin(), reasons.end(),
                                        [&](const Reason& reason) { return reason.text == f.reason; });
        add(known != reasons.end() ? *known : reasons.emplace_back(Reason{f.reason, {}, {}, {}}), r, place,
            f);
      }
    }
    text += fmt::format("{} departs from the architecture, as documented{}{}:\n\n", policy,
                        cpuid.empty() ? "" : ", cpuid " + cpuid, kernel.empty() ? "" : ", kernel " + kernel);
    for (const Reason& reason : reasons) text += text_of(reason, sources);
  }
  return text;
}

std::string divergences_json(const std::vector<CaseResult>& results) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const CaseResult& r : results)
    for (const Finding& f : r.divergences)
      rows.push_back({{"id", fmt::format("{}/{}/{}/{}/{}{}: {}", r.policy, r.model, r.cpuid, r.kernel, r.id,
                                         step_of(f), what_in_rounds(f))},
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
