// SPDX-License-Identifier: Apache-2.0
// The report for people: one table per model, then what failed and why. A cell counts cases: "12" all passed,
// "11 1F" one failed, "11 2s" two skipped, "-" everything skipped.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "conformance/report_formats.h"

namespace pmusim::conformance {
namespace {

constexpr const char* kRed = "\033[31m";
constexpr const char* kGreen = "\033[32m";
constexpr const char* kDim = "\033[2m";
constexpr const char* kOff = "\033[0m";

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
  u64 passed = 0, failed = 0, skipped = 0;

  void add(Verdict verdict) {
    if (verdict == Verdict::Pass)
      ++passed;
    else if (verdict == Verdict::Skip)
      ++skipped;
    else
      ++failed;
  }
  std::string text() const {
    if (!passed && !failed) return skipped ? "-" : "";
    std::string t = fmt::format("{}", passed);
    if (failed) t += fmt::format(" {}F", failed);
    if (skipped) t += fmt::format(" {}s", skipped);
    return t;
  }
  const char* color() const { return failed ? kRed : passed ? kGreen : kDim; }
};

// Kernel and cpuid are named only where a run has several of them.
std::string column_of(const CaseResult& r, bool kernels, bool cpuids) {
  std::string name = r.policy;
  if (kernels && r.policy != "bare-metal") name += " " + r.kernel;
  if (cpuids) name += " " + r.cpuid;
  return name;
}

std::string matrix(const std::vector<CaseResult>& all, const std::string& model, const TextStyle& style) {
  std::vector<CaseResult> results;
  for (const CaseResult& r : all)
    if (r.model == model) results.push_back(r);
  std::vector<std::string> kernel_names = distinct(results, [](const CaseResult& r) { return r.kernel; });
  const bool bare = std::find(kernel_names.begin(), kernel_names.end(), "-") != kernel_names.end();
  const bool kernels = kernel_names.size() > (bare ? 2 : 1);
  const bool cpuids = distinct(results, [](const CaseResult& r) { return r.cpuid; }).size() > 1;
  const auto column = [&](const CaseResult& r) { return column_of(r, kernels, cpuids); };
  std::vector<std::string> areas = distinct(results, [](const CaseResult& r) { return r.area; });
  std::sort(areas.begin(), areas.end());
  const std::vector<std::string> columns = distinct(results, column);

  std::map<std::pair<std::string, std::string>, Cell> cells;
  for (const CaseResult& r : results) cells[{r.area, column(r)}].add(r.verdict);

  std::size_t first = model.size();
  for (const std::string& area : areas) first = std::max(first, area.size());
  std::string text = fmt::format("{:<{}}", model, first);
  for (const std::string& c : columns) text += fmt::format("  {:>{}}", c, std::max<std::size_t>(c.size(), 9));
  text += "\n";
  for (const std::string& area : areas) {
    text += fmt::format("{:<{}}", area, first);
    for (const std::string& c : columns) {
      const Cell& cell = cells[{area, c}];
      const std::string padded = fmt::format("{:>{}}", cell.text(), std::max<std::size_t>(c.size(), 9));
      text += "  " + (style.color ? cell.color() + padded + kOff : padded);
    }
    text += "\n";
  }
  return text + "\n";
}

std::string indented(const std::string& text) {
  std::string out = "      ";
  for (char c : text) out += c == '\n' ? std::string("\n      ") : std::string(1, c);
  return out + "\n";
}

std::string failure(const CaseResult& r, const TextStyle& style) {
  const std::string word = r.verdict == Verdict::Error ? "ERROR" : "FAIL";
  std::string text = (style.color ? kRed + word + kOff : word) + " " + r.id + " on " + r.point() + "\n";
  text += "  " + r.title + "\n";
  if (!r.reason.empty()) text += "  " + r.reason + "\n";
  for (const Finding& f : r.findings) {
    text += "  " + f.what + (f.place.empty() ? "" : " (" + f.place + ")") + "\n";
    text += fmt::format("    expected {}\n    got      {}\n", f.expected, f.got);
    if (!f.source.empty()) text += "    source   " + f.source + "\n";
    if (style.explain && !f.code.empty()) text += "    guest code\n" + indented(f.code);
  }
  return text + "\n";
}

// Skips, by reason: what a reader needs to know of what was not tested.
std::string skips(const std::vector<CaseResult>& results) {
  std::map<std::pair<std::string, std::string>, u64> count;
  for (const CaseResult& r : results)
    if (r.verdict == Verdict::Skip) ++count[{r.model + " / " + r.policy, r.reason}];
  std::string text;
  for (const auto& [key, n] : count) text += fmt::format("skipped {:>4}  {}: {}\n", n, key.first, key.second);
  return text.empty() ? text : text + "\n";
}

}  // namespace

std::string report_text(const std::vector<CaseResult>& results, const TextStyle& style) {
  std::string text;
  for (const std::string& model : distinct(results, [](const CaseResult& r) { return r.model; }))
    text += matrix(results, model, style);
  text += skips(results);
  for (const CaseResult& r : results)
    if (r.verdict == Verdict::Fail || r.verdict == Verdict::Error) text += failure(r, style);
  return text;
}

}  // namespace pmusim::conformance
