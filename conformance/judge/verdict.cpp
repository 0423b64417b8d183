// SPDX-License-Identifier: Apache-2.0
// Results as JSON, and their sums.
#include "conformance/judge/verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace pmusim::conformance {
namespace {

using nlohmann::json;

constexpr const char* kVerdicts[] = {"pass", "fail", "skip", "error"};

json findings_json(const std::vector<Finding>& findings) {
  json list = json::array();
  for (const Finding& f : findings)
    list.push_back({{"what", f.what},
                    {"place", f.place},
                    {"expected", f.expected},
                    {"got", f.got},
                    {"source", f.source}});
  return list;
}

std::vector<Finding> findings_from(const json& list) {
  std::vector<Finding> findings;
  for (const json& f : list)
    findings.push_back({f.at("what"), f.at("place"), f.at("expected"), f.at("got"), f.at("source")});
  return findings;
}

}  // namespace

const char* verdict_name(Verdict verdict) {
  return kVerdicts[static_cast<unsigned>(verdict)];
}

std::vector<std::string> sources_of(const std::vector<Finding>& findings) {
  std::vector<std::string> sources;
  for (const Finding& f : findings)
    if (!f.source.empty() && std::find(sources.begin(), sources.end(), f.source) == sources.end())
      sources.push_back(f.source);
  return sources;
}

std::string CaseResult::point() const {
  return fmt::format("{} / {} (cpuid {}, kernel {})", model, policy, cpuid, kernel);
}

std::string Totals::line() const {
  return fmt::format("{} passed, {} failed, {} skipped", passed, failed, skipped);
}

Totals totals_of(const std::vector<CaseResult>& results) {
  Totals totals;
  for (const CaseResult& result : results) {
    totals.passed += result.verdict == Verdict::Pass;
    totals.failed += result.verdict == Verdict::Fail || result.verdict == Verdict::Error;
    totals.skipped += result.verdict == Verdict::Skip;
  }
  return totals;
}

json to_json(const CaseResult& r) {
  return {{"id", r.id},
          {"title", r.title},
          {"area", r.area},
          {"model", r.model},
          {"policy", r.policy},
          {"cpuid", r.cpuid},
          {"kernel", r.kernel},
          {"verdict", verdict_name(r.verdict)},
          {"reason", r.reason},
          {"findings", findings_json(r.findings)},
          {"code", r.code},
          {"divergences", findings_json(r.divergences)},
          {"skipped_checks", r.skipped_checks},
          {"checks", r.checks},
          {"instructions", r.instructions},
          {"cycles", r.cycles},
          {"assumed", r.assumed},
          {"gaps", r.gaps}};
}

CaseResult result_from_json(const json& v) {
  CaseResult r;
  r.id = v.at("id");
  r.title = v.at("title");
  r.area = v.at("area");
  r.model = v.at("model");
  r.policy = v.at("policy");
  r.cpuid = v.at("cpuid");
  r.kernel = v.at("kernel");
  const std::string verdict = v.at("verdict");
  for (unsigned i = 0; i < 4; ++i)
    if (verdict == kVerdicts[i]) r.verdict = static_cast<Verdict>(i);
  r.reason = v.at("reason");
  r.findings = findings_from(v.at("findings"));
  r.code = v.at("code");
  r.divergences = findings_from(v.at("divergences"));
  r.skipped_checks = v.at("skipped_checks").get<std::vector<std::string>>();
  r.checks = v.at("checks");
  r.instructions = v.at("instructions");
  r.cycles = v.at("cycles");
  r.assumed = v.at("assumed").get<std::vector<std::string>>();
  r.gaps = v.at("gaps").get<std::vector<std::string>>();
  return r;
}

std::string to_line(const CaseResult& result) {
  return to_json(result).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}
CaseResult result_from_line(const std::string& line) {
  return result_from_json(nlohmann::json::parse(line));
}

}  // namespace pmusim::conformance
