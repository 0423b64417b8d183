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
};

// A matrix of area x policy for each model, then each failure. Ends with a newline and without the totals.
std::string report_text(const std::vector<CaseResult>& results, const TextStyle& style);
std::string report_junit(const std::vector<CaseResult>& results);  // JUnit XML, a suite per model and policy
std::string report_ktap(const std::vector<CaseResult>& results);   // KTAP version 1
std::string report_json(const std::vector<CaseResult>& results, const std::string& target);

}  // namespace pmusim::conformance
