// SPDX-License-Identifier: Apache-2.0
// Reports of a conformance run. Each is a pure function of the results, so equal results give equal bytes.
#pragma once

#include <string>
#include <vector>

#include "conformance/judge/verdict.h"

namespace pmusim::conformance {

struct TextStyle {
  bool color = false;
  bool explain = false;  // print the guest's code around each failure
  bool sources = true;   // of what was expected
};

// A matrix of area x policy for each model, then divergences, then each failure. Ends with a newline and
// without the totals.
std::string report_text(const std::vector<CaseResult>& results, const TextStyle& style);
// Where each policy departs from the architecture as documented: reason, cases, checks, expected and got,
// models. What a reason explains stands together. "" without any.
std::string divergences_text(const std::vector<CaseResult>& results, bool sources = true);
// [{"id", "policy", "model", "cpuid", "kernel", "case", "title", "check", "expected", "got", "reason", "why",
// "source"}]
std::string divergences_json(const std::vector<CaseResult>& results);
std::string report_junit(const std::vector<CaseResult>& results);  // JUnit XML, a suite per model and policy
std::string report_ktap(const std::vector<CaseResult>& results);   // KTAP version 1
// The document of docs/results-format.md.
inline constexpr unsigned kResultsSchema = 1;
struct ReportHead {
  std::string program;  // version and commit
  std::string target;   // "sim", "kvm"
  std::string timing;   // "interval", "functional"; "" of a real kernel
  u64 seed = 1;
  std::string bug;        // an injected defect's id; "": none
  std::string judged_as;  // of a real kernel: "policy emulated, kernel 7.0, model icx"; "" in the simulator
};
std::string report_json(const std::vector<CaseResult>& results, const ReportHead& head);

}  // namespace pmusim::conformance
