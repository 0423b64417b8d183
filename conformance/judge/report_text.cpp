// SPDX-License-Identifier: Apache-2.0
// The report for people: one table per model, then where policies depart from the architecture as documented,
// then what failed and why. A cell counts cases: "12" all passed, "9 3d" three more passed with a documented
// divergence, "11 1F" one failed, "11 2s" two were skipped, "-" everything was skipped.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "conformance/judge/report_formats.h"

namespace pmusim::conformance {
namespace {

constexpr const char* kRed = "\033[31m";
constexpr const char* kGreen = "\033[32m";
constexpr const char* kYellow = "\033[33m";
constexpr const char* kDim = "\033[2m";
constexpr const char* kOff = "\033[0m";
constexpr const char* kLegend =
    "a cell counts cases: N passed, Nd passed with a documented divergence, NF failed, Ns skipped; -: all "
    "skipped\n\n";

// In order of first appearance.
template <typename F>
std::vector<std::string> distinct(const std::vector<CaseResult>& results, F&& value) {
  std::vector<std::string> seen;
  for (const CaseResult& r : results)
    if (const std::string v = value(r); std::find(seen.begin(), seen.end(), v) == seen.end())
      seen.push_back(v);
  return seen;
}

struct Cell {
  u64 passed = 0, diverged = 0, failed = 0, skipped = 0;

  void add(const CaseResult& r) {
    if (r.verdict == Verdict::Pass)
      ++(r.divergences.empty() ? passed : diverged);
    else if (r.verdict == Verdict::Skip)
      ++skipped;
    else
      ++failed;
  }
  std::string text() const {
    if (!passed && !diverged && !failed) return skipped ? "-" : "";
    std::string t = fmt::format("{}", passed);
    if (diverged) t += fmt::format(" {}d", diverged);
    if (failed) t += fmt::format(" {}F", failed);
    if (skipped) t += fmt::format(" {}s", skipped);
    return t;
  }
  const char* color() const { return failed ? kRed : diverged ? kYellow : passed ? kGreen : kDim; }
};

// A column of the matrix: what its head says, line by line.
struct Column {
  std::string policy, cpuid, kernel;
  bool operator==(const Column& o) const {
    return policy == o.policy && cpuid == o.cpuid && kernel == o.kernel;
  }
};

Column column_of(const CaseResult& r) {
  // Of a CPUID file its name without the folders.
  return {r.policy, r.cpuid.substr(r.cpuid.rfind('/') + 1), r.kernel};
}

// One table of the columns given, or of as many as fit beside the areas; the rest follows below.
std::string table(const std::string& model, const std::vector<std::string>& areas,
                  const std::vector<Column>& columns, const std::vector<std::vector<Cell>>& cells,
                  const TextStyle& style) {
  constexpr std::size_t kWidth = 100, kCell = 9;
  const std::string cpuid = "  CPUID", kernel = "  kernel";
  std::size_t first = std::max({model.size(), cpuid.size(), kernel.size()});
  for (const std::string& area : areas) first = std::max(first, area.size());
  std::string text;
  for (std::size_t begin = 0, end = 0; begin < columns.size(); begin = end) {
    std::vector<std::size_t> width;
    for (std::size_t total = first; end < columns.size(); ++end) {
      const Column& c = columns[end];
      std::size_t w = std::max({c.policy.size(), c.cpuid.size(), c.kernel.size(), kCell});
      for (std::size_t a = 0; a < areas.size(); ++a) w = std::max(w, cells[a][end].text().size());
      total += 2 + w;
      if (end > begin && total > kWidth) break;
      width.push_back(w);
    }
    const auto row = [&](const std::string& name, auto&& cell) {
      text += fmt::format("{:<{}}", name, first);
      for (std::size_t i = begin; i < end; ++i) text += "  " + cell(i, width[i - begin]);
      text += "\n";
    };
    const auto head = [&](const std::string& name, std::string Column::*member) {
      row(name, [&](std::size_t i, std::size_t w) { return fmt::format("{:>{}}", columns[i].*member, w); });
    };
    head(model, &Column::policy);
    head(cpuid, &Column::cpuid);
    head(kernel, &Column::kernel);
    for (std::size_t a = 0; a < areas.size(); ++a)
      row(areas[a], [&](std::size_t i, std::size_t w) {
        const Cell& cell = cells[a][i];
        const std::string padded = fmt::format("{:>{}}", cell.text(), w);
        return style.color ? cell.color() + padded + kOff : padded;
      });
    text += "\n";
  }
  return text;
}

std::string matrix(const std::vector<CaseResult>& all, const std::string& model, const TextStyle& style) {
  std::vector<std::string> areas;
  std::vector<Column> columns;
  for (const CaseResult& r : all) {
    if (r.model != model) continue;
    if (std::find(areas.begin(), areas.end(), r.area) == areas.end()) areas.push_back(r.area);
    if (std::find(columns.begin(), columns.end(), column_of(r)) == columns.end())
      columns.push_back(column_of(r));
  }
  std::sort(areas.begin(), areas.end());
  std::vector<std::vector<Cell>> cells(areas.size(), std::vector<Cell>(columns.size()));
  for (const CaseResult& r : all) {
    if (r.model != model) continue;
    const auto area = std::lower_bound(areas.begin(), areas.end(), r.area) - areas.begin();
    const auto column = std::find(columns.begin(), columns.end(), column_of(r)) - columns.begin();
    cells[static_cast<std::size_t>(area)][static_cast<std::size_t>(column)].add(r);
  }
  return table(model, areas, columns, cells, style);
}

std::string indented(const std::string& text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    out += "    " + text.substr(at, end - at) + "\n";
    at = end + 1;
  }
  return out;
}

std::string failure(const CaseResult& r, const TextStyle& style) {
  const std::string word = r.verdict == Verdict::Error ? "ERROR" : "FAIL";
  std::string text = (style.color ? kRed + word + kOff : word) + " " + r.id + " on " + r.point() + "\n";
  text += "  " + r.title + "\n";
  if (!r.reason.empty()) text += "  " + r.reason + "\n";
  for (const Finding& f : r.findings) {
    text += "  " + what_in_rounds(f) + (f.place.empty() ? "" : " (" + f.place + ")") + "\n";
    text += fmt::format("    expected {}\n    got      {}\n", f.expected, f.got);
    if (!f.reason.empty()) text += "    reason   " + f.reason + "\n";
  }
  if (style.sources)
    for (const std::string& source : sources_of(r.findings)) text += "  source " + source + "\n";
  if (style.explain && !r.code.empty()) text += "  guest code\n" + indented(r.code);
  return text + "\n";
}

// Skips, by reason, and checks that passing cases could not make: what a reader needs to know of what was not
// tested.
std::string skips(const std::vector<CaseResult>& results) {
  std::map<std::pair<std::string, std::string>, u64> count, unmade;
  for (const CaseResult& r : results) {
    if (r.verdict == Verdict::Skip) ++count[{r.model + " / " + r.policy, r.reason}];
    if (r.verdict == Verdict::Pass && !r.skipped_checks.empty())
      unmade[{r.model + " / " + r.policy, r.id}] += r.skipped_checks.size();
  }
  std::string text;
  for (const auto& [key, n] : count) text += fmt::format("skipped {:>4}  {}: {}\n", n, key.first, key.second);
  for (const auto& [key, n] : unmade)
    text +=
        fmt::format("unmade  {:>4}  {}: checks of {}, which passes otherwise\n", n, key.first, key.second);
  return text.empty() ? text : text + "\n";
}

// What the cases saved, if it was kept.
std::string values(const std::vector<CaseResult>& results) {
  std::string text;
  for (const CaseResult& r : results) {
    if (r.values.empty()) continue;
    text += "values of " + r.id + " on " + r.point() + "\n";
    for (const auto& [name, value] : r.values)
      text += fmt::format("    {} = {} (0x{:x})\n", name, value, value);
    text += "\n";
  }
  return text;
}

}  // namespace

std::string report_text(const std::vector<CaseResult>& results, const TextStyle& style) {
  std::string text;
  for (const std::string& model : distinct(results, [](const CaseResult& r) { return r.model; }))
    text += matrix(results, model, style);
  if (!text.empty()) text += kLegend;
  text += divergences_text(results, style.sources) + values(results);
  text += skips(results);
  for (const CaseResult& r : results)
    if (r.verdict == Verdict::Fail || r.verdict == Verdict::Error) text += failure(r, style);
  return text;
}

}  // namespace pmusim::conformance
