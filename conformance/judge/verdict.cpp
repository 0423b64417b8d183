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

json finding_json(const Finding& f) {
  json value = {
      {"what", f.what}, {"place", f.place}, {"expected", f.expected}, {"got", f.got}, {"source", f.source}};
  if (!f.rounds.empty()) value["rounds"] = f.rounds;
  if (!f.reason.empty()) value["reason"] = f.reason;
  if (!f.why.empty()) value["why"] = f.why;
  return value;
}

json findings_json(const std::vector<Finding>& findings) {
  json list = json::array();
  for (const Finding& f : findings) list.push_back(finding_json(f));
  return list;
}

std::vector<Finding> findings_from(const json& list) {
  std::vector<Finding> findings;
  for (const json& value : list) {
    Finding f{value.at("what"), value.at("place"), value.at("expected"), value.at("got"), value.at("source")};
    f.rounds = value.value("rounds", std::vector<std::string>());
    f.reason = value.value("reason", "");
    f.why = value.value("why", "");
    findings.push_back(std::move(f));
  }
  return findings;
}

}  // namespace

const char* verdict_name(Verdict verdict) {
  return kVerdicts[static_cast<unsigned>(verdict)];
}

std::string what_in_rounds(const Finding& f) {
  if (f.rounds.empty()) return f.what;
  if (f.rounds.size() == 1) return fmt::format("{} [{}]", f.what, f.rounds[0]);
  return fmt::format("{} [{} to {}, {} rounds]", f.what, f.rounds.front(), f.rounds.back(), f.rounds.size());
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
    totals.diverged += result.verdict == Verdict::Pass && !result.divergences.empty();
    totals.failed += result.verdict == Verdict::Fail || result.verdict == Verdict::Error;
    totals.skipped += result.verdict == Verdict::Skip;
  }
  return totals;
}

json to_json(const CaseResult& r) {
  json value = {{"id", r.id},
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
                {"wall_us", r.wall_us},
                {"assumed", r.assumed},
                {"gaps", r.gaps}};
  for (const auto& [name, saved] : r.values) value["values"].push_back({{"name", name}, {"value", saved}});
  return value;
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
  r.wall_us = v.at("wall_us");
  r.assumed = v.at("assumed").get<std::vector<std::string>>();
  r.gaps = v.at("gaps").get<std::vector<std::string>>();
  for (const json& saved : v.value("values", json::array()))
    r.values.emplace_back(saved.at("name"), saved.at("value"));
  return r;
}

std::string to_line(const CaseResult& result) {
  return to_json(result).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}
CaseResult result_from_line(const std::string& line) {
  return result_from_json(nlohmann::json::parse(line));
}

}  // namespace pmusim::conformance
