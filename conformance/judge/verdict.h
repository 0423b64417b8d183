// SPDX-License-Identifier: Apache-2.0
// What running one case at one point of the matrix gave. Results travel from the workers as one line of JSON
// and are what every report is made of.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/types.h"

namespace pmusim::conformance {

enum class Verdict : u8 { Pass, Fail, Skip, Error };
const char* verdict_name(Verdict verdict);  // "pass", "fail", "skip", "error"

// One observation beside its expectation: why a case failed, or a documented divergence that was met.
struct Finding {
  std::string what;   // the expectation in words
  std::string place;  // JSON pointer in the case
  std::string expected;
  std::string got;
  std::string source;                 // what the expectation comes from; for a divergence, its reason
  u32 step = 0;                       // of the line protocol; 0: none. Not sent.
  u64 want_value = 0, got_value = 0;  // likewise, for the code's marks
};

// Where the expectations come from, each once, in order.
std::vector<std::string> sources_of(const std::vector<Finding>& findings);

struct CaseResult {
  std::string id, title, area;
  std::string model, policy, cpuid, kernel;
  Verdict verdict = Verdict::Error;
  std::string reason;                       // of a skip or an error
  std::vector<Finding> findings;            // of a failure
  std::string code;                         // of a failure: the measured programs that it is about
  std::vector<Finding> divergences;         // documented ones that occurred
  std::vector<std::string> skipped_checks;  // checks that could not be made, with the reason
  u64 checks = 0;                           // expectations judged
  u64 instructions = 0;                     // that the guest retired
  u64 cycles = 0;                           // simulated, of CPU 0
  std::vector<std::string> assumed;         // values of the model that nobody published
  std::vector<std::string> gaps;            // what was used and is not modelled

  std::string point() const;  // "spr / mediated", with cpuid and kernel
};

struct Totals {
  u64 passed = 0, failed = 0, skipped = 0;  // an error counts as failed
  std::string line() const;                 // "3 passed, 0 failed, 1 skipped"
};
Totals totals_of(const std::vector<CaseResult>& results);

nlohmann::json to_json(const CaseResult& result);
CaseResult result_from_json(const nlohmann::json& value);
// As a worker sends it.
std::string to_line(const CaseResult& result);
CaseResult result_from_line(const std::string& line);

}  // namespace pmusim::conformance
