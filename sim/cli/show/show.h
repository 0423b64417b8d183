// SPDX-License-Identifier: Apache-2.0
// What `pmusim show` shows: everything that is known of one model, policy or case.
#pragma once

#include <string>
#include <vector>

#include "cli/sheet.h"
#include "session/catalog.h"

namespace pmusim::cli {

// With the user's changes, which are then no longer among the assumed values.
Sheet show_model(const std::string& id, const session::Overrides& overrides);

// On a host and for a guest: what each asset and MSR comes to there.
struct PolicyQuestion {
  std::string policy, model, kernel, cpuid;
};
Sheet show_policy(const PolicyQuestion& question, const session::Overrides& overrides);

Sheet show_case(const std::string& id_or_path);

}  // namespace pmusim::cli
