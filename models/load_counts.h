// SPDX-License-Identifier: Apache-2.0
// Where the user has changed how many counters a model has, CPUID enumerates them so, and events use those.
#pragma once

#include "base/json.h"
#include "model/cpu_model.h"

namespace pmusim::models {

// Did an override give version, number or width of counters? InputError if one gives their leaf as well.
bool counts_overridden(const JsonView& root);

// CPUID, caps and events of a model whose file fits itself, as the "pmu" of the document now says. InputError
// where no CPU can have such counters.
void change_counts(const JsonView& root, CpuModel& model);

}  // namespace pmusim::models
