// SPDX-License-Identifier: Apache-2.0
// The verbs of the pmusim command, one file each. A verb declares its options on the command line's parser
// and leaves in `action` what to do; it returns the exit status: 0 good, 1 a check failed. Errors are thrown:
// InputError ends with status 2, anything else with 3.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cli/verb_options.h"

namespace pmusim::cli {

using Action = std::function<int()>;

void add_list(const VerbOptions& command, Action& action);
void add_show(const VerbOptions& command, Action& action);
// guest_arguments: what stood after "--"; nothing if there was no "--".
void add_run(const VerbOptions& command, Action& action,
             const std::optional<std::vector<std::string>>& guest_arguments);
void add_conform(const VerbOptions& command, Action& action);
void add_build(const VerbOptions& command, Action& action);
void add_bugs(const VerbOptions& command, Action& action);
void add_trace(const VerbOptions& command, Action& action);

}  // namespace pmusim::cli
