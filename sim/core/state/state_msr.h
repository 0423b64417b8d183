// SPDX-License-Identifier: Apache-2.0
// MSRs that are plain words of the core's state, for the core itself and for a hypervisor that emulates
// access to them. EFER is not one of them: writing it changes modes.
#pragma once

#include "core/state/state.h"

namespace pmusim::core {

u64* state_msr(CpuState& state, u32 index);  // nullptr: not one of them
bool msr_needs_canonical(u32 index);         // writing a non-canonical address is #GP
bool valid_pat(u64 value);                   // no reserved memory type

}  // namespace pmusim::core
