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

// One observation beside its expectation: why a case failed, or a documented divergence that was met. Rounds
// of a loop that saw the same are one.
struct Finding {
  std::string what;      // the check's title
  std::string place;     // line and JSON pointer in the case's file
  std::string expected;  // in the manuals' words: "#GP (vector 13)"
  std::string got;
  std::string source;                    // what the expectation comes from
  std::vector<std::string> rounds = {};  // of a loop: "i:0", "i:1"
  std::string reason = {},
              why = {};  // of a divergence: its text, and what of the policy it is documented for
  u32 step = 0;          // of the line protocol; 0: none. Not sent.
  u64 want_value = 0, got_value = 0;  // likewise, for the code's marks
};

// "count == work.instructions [i:0 to i:3, 4 rounds]"
std::string what_in_rounds(const Finding& finding);

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
  std::vector<std::pair<std::string, u64>>
      values;                        // that the guest saved, by name ("count[2]"), if asked for
  u64 checks = 0;                    // expectations judged
  u64 instructions = 0;              // that the guest retired
  u64 cycles = 0;                    // simulated, of CPU 0
  u64 wall_us = 0;                   // that it took, in microseconds; in no report
  std::vector<std::string> assumed;  // values of the model that nobody published
  std::vector<std::string> gaps;     // what was used and is not modelled

  std::string point() const;  // "spr / mediated", with cpuid and kernel
};

struct Totals {
  u64 passed = 0, failed = 0, skipped = 0;  // an error counts as failed
  u64 diverged = 0;                         // of the passed, those with a documented divergence
  bool nothing_tested() const { return skipped && !passed && !failed; }
  std::string line() const;  // "3 passed, 0 failed, 1 skipped"
};
Totals totals_of(const std::vector<CaseResult>& results);

nlohmann::json to_json(const CaseResult& result);
CaseResult result_from_json(const nlohmann::json& value);
// As a worker sends it.
std::string to_line(const CaseResult& result);
CaseResult result_from_line(const std::string& line);

}  // namespace pmusim::conformance
