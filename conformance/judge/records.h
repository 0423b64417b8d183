// SPDX-License-Identifier: Apache-2.0
// What a compiled case prints on the serial line (docs/case-format.md): lines that begin with '@'. Everything
// else on the line is ignored, as text of a firmware or of the runtime.
#pragma once

#include <string>
#include <vector>

#include "base/types.h"

namespace pmusim::conformance {

struct GuestCheck {
  enum class State : u8 { Pass, Fail, Skip };
  u32 step = 0;
  State state = State::Skip;
  u64 got = 0, want = 0;
  std::string comparison;  // "eq", "ne", "lt", "le", "gt", "ge", "true"
  std::string at;          // "i:3", or "" outside loops
  std::string text;
};

// The value that a documented divergence gives to the check before it or, where `condition`, whether it holds
// there.
struct GuestAlternative {
  std::size_t check = 0;  // index in checks
  u32 divergence = 0;     // index in the case's list
  u64 value = 0;
  bool condition = false;
};

struct GuestObservation {
  u32 step = 0;
  std::string name;  // "count" or "count[2]"
  u64 value = 0;
};

struct GuestSkip {
  std::string step;  // a number, or "case" if a requirement is not met
  std::string at;
  std::string reason;
};

struct GuestReport {
  std::string id;   // of the case; empty if the guest did not get that far
  std::string cpu;  // "vendor=intel version=5 ..."
  std::vector<GuestCheck> checks;
  std::vector<GuestAlternative> alternatives;
  std::vector<GuestObservation> observations;
  std::vector<GuestSkip> skips;
  std::string aborted;  // reason, if the guest gave up
  u64 lost = 0;         // records for which there was no room
  bool ended = false;   // the last line is there

  const GuestSkip* unmet_requirement() const;  // nullptr if all are met
};

// Throws InputError at a line that begins with '@' and is no record.
GuestReport parse_records(const std::string& serial, const std::string& name);

}  // namespace pmusim::conformance
