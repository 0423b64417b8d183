// SPDX-License-Identifier: Apache-2.0
// What became of one policy of `pmusim run`.
#pragma once

#include <optional>
#include <string>

#include "session/observation.h"

namespace pmusim::cli {

struct PolicyResult {
  std::string policy;
  std::string unmet;  // why it did not run; "" if it ran
  session::Observation seen;
  std::optional<session::Observation> baseline;  // the run that --baseline asked for beside it
  std::string no_baseline;                       // why that one is nothing to compare with; "" if it is
};

}  // namespace pmusim::cli
