// SPDX-License-Identifier: Apache-2.0
// Reading a model file's "timing" section.
#pragma once

#include "base/json.h"
#include "core/timing/config.h"

namespace pmusim::models {

core::TimingConfig read_timing(const JsonView& json, unsigned width, u64 core_khz);

}  // namespace pmusim::models
