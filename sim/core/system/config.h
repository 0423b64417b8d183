// SPDX-License-Identifier: Apache-2.0
// The choices that a CPU model leaves to the core.
#pragma once

#include "core/state/features.h"
#include "core/timing/timing.h"

namespace pmusim::core {

// What CPUs of a model differ in, as far as instructions are concerned.
struct CoreConfig {
  CostTable costs;
  unsigned physical_bits = 46;
  bool amd = false;  // the vendor: docs/vendors.md lists what follows it
  Features features = Features::all();
  // What software is told of them, where that is less: an emulator's guest. The control-register bits of
  // others are reserved; instructions are decoded as the CPU would.
  Features enumerated = Features::all();
};

}  // namespace pmusim::core
