// SPDX-License-Identifier: Apache-2.0
// The process's one machine: SystemC has one simulation per process, so every test resets it to what it
// needs.
#pragma once

#include <string>

#include "models/models.h"
#include "platform/machine/machine.h"

namespace pmusim::platform::test {

inline constexpr unsigned kMaxCpus = 4;
Machine& machine();                       // elaborated once
inline constexpr u16 kAdderPort = 0x300;  // a device of the tests' own: reads the sum of what was written

const CpuModel& model(const std::string& id);
const CpuModel& interval_model(const std::string& id);  // loaded for interval timing
MachineConfig config(const std::string& model_id, unsigned cpus = 1);

}  // namespace pmusim::platform::test
