// SPDX-License-Identifier: Apache-2.0
// Reports for programs: JUnit XML, KTAP and JSON.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "conformance/judge/report_formats.h"

namespace pmusim::conformance {
namespace {

// XML 1.0 has no place for control characters; they become '?'.
std::string xml(const std::string& text) {
  std::string out;
  for (char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else if (c == '\n')
      out += "&#10;";
    else
      out += static_cast<unsigned char>(c) < 0x20 ? '?' : c;
  }
  return out;
}

std::string suite_of(const CaseResult& r) {
  return fmt::format("{}.{}.{}.{}", r.model, r.policy, r.cpuid, r.kernel);
}

// A line for the reason, one for each finding, and the sources that they share once.
std::string describe(const CaseResult& r) {
  std::vector<std::string> lines, sources;
  if (!r.reason.empty()) lines.push_back(r.reason);
  for (const Finding& f : r.findings) {
    const std::string place = f.place.empty() ? "" : " (" + f.place + ")";
    lines.push_back(fmt::format("{}{}: expected {}, got {}", what_in_rounds(f), place, f.expected, f.got));
    if (!f.reason.empty()) lines.push_back("reason: " + f.reason);
  }
  for (const std::string& source : sources_of(r.findings)) lines.push_back("source: " + source);
  return fmt::format("{}", fmt::join(lines, "\n"));
}

// "count: expected 83, got 171 (reason; source: ...)"
std::string divergence_line(const Finding& f) {
  return fmt::format("{}: expected {}, got {} ({}; source: {})", what_in_rounds(f), f.expected, f.got,
                     f.reason, f.source);
}

std::string junit_properties(const CaseResult& r) {
  if (r.divergences.empty()) return "";
  std::string text = "<properties>";
  for (const Finding& f : r.divergences)
    text += fmt::format("<property name=\"divergence\" value=\"{}\"/>", xml(divergence_line(f)));
  return text + "</properties>";
}

// By model and path, the policies whose runs the value can touch: each path stands once.
nlohmann::json assumed_of(const std::vector<CaseResult>& results) {
  nlohmann::json models = nlohmann::json::object();
  for (const CaseResult& r : results)
    for (const std::string& path : r.assumed) {
      nlohmann::json& policies = models[r.model][path];
      if (std::find(policies.begin(), policies.end(), r.policy) == policies.end())
        policies.push_back(r.policy);
    }
  return models;
}

std::string one_line(std::string text) {
  for (char& c : text)
    if (c == '\n') c = ' ';
  return text;
}

}  // namespace

std::string report_junit(const std::vector<CaseResult>& results) {
  std::string text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"pmusim\">\n";
  for (std::size_t begin = 0; begin < results.size();) {
    const std::string suite = suite_of(results[begin]);
    std::size_t end = begin;
    u64 failures = 0, errors = 0, skipped = 0;
    std::string body;
    for (; end < results.size() && suite_of(results[end]) == suite; ++end) {
      const CaseResult& r = results[end];
      body += fmt::format("    <testcase classname=\"{}\" name=\"{}\"", xml(suite), xml(r.id));
      if (r.verdict == Verdict::Pass) {
        body += r.divergences.empty() ? "/>\n" : ">" + junit_properties(r) + "</testcase>\n";
        continue;
      }
      const char* element = r.verdict == Verdict::Skip   ? "skipped"
                            : r.verdict == Verdict::Fail ? "failure"
                                                         : "error";
      body += ">" + junit_properties(r);
      body += fmt::format("<{} message=\"{}\"/></testcase>\n", element, xml(describe(r)));
      skipped += r.verdict == Verdict::Skip;
      failures += r.verdict == Verdict::Fail;
      errors += r.verdict == Verdict::Error;
    }
    text +=
        fmt::format("  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\">\n{}",
                    xml(suite), end - begin, failures, errors, skipped, body);
    text += "  </testsuite>\n";
    begin = end;
  }
  return text + "</testsuites>\n";
}

std::string report_ktap(const std::vector<CaseResult>& results) {
  std::string text = fmt::format("KTAP version 1\n1..{}\n", results.size());
  u64 number = 0;
  for (const CaseResult& r : results) {
    const bool ok = r.verdict == Verdict::Pass || r.verdict == Verdict::Skip;
    if (!ok) {
      std::string lines = describe(r) + "\n";
      for (std::size_t at = 0; at < lines.size(); at = lines.find('\n', at) + 1)
        text += "# " + lines.substr(at, lines.find('\n', at) - at) + "\n";
    }
    for (const Finding& f : r.divergences) text += "# divergence: " + one_line(divergence_line(f)) + "\n";
    text += fmt::format("{} {} {}.{}", ok ? "ok" : "not ok", ++number, suite_of(r), r.id);
    if (r.verdict == Verdict::Skip) text += " # SKIP " + one_line(r.reason);
    text += "\n";
  }
  return text;
}

std::string report_json(const std::vector<CaseResult>& results, const ReportHead& head) {
  nlohmann::json report;
  const Totals totals = totals_of(results);
  report["schema"] = kResultsSchema;
  report["program"] = head.program;
  report["target"] = head.target;
  report["timing"] = head.timing;
  report["seed"] = head.seed;
  report["bug"] = head.bug;
  report["judged_as"] = head.judged_as;
  report["passed"] = totals.passed;
  report["failed"] = totals.failed;
  report["skipped"] = totals.skipped;
  report["diverged"] = totals.diverged;
  report["assumed"] = assumed_of(results);
  report["results"] = nlohmann::json::array();
  for (const CaseResult& r : results) {
    report["results"].push_back(to_json(r));
    for (const char* key : {"assumed", "wall_us"}) report["results"].back().erase(key);
  }
  return report.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace pmusim::conformance
