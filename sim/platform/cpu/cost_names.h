// SPDX-License-Identifier: Apache-2.0
// Names of the operations that have a cost, as model files write them, and the table built from a model.
#pragma once

#include "core/timing/timing.h"
#include "model/cpu_model.h"

namespace pmusim::platform {

// Unknown names throw InputError with the model's file. Costs that the model does not name are 0.
core::CostTable cost_table(const CpuModel& model);

}  // namespace pmusim::platform
