// SPDX-License-Identifier: Apache-2.0
// What a cycle of the host is spent on. Hypervisor code says on whose account it works (Charged); the CPU
// books each cycle when it passes, so the causes add up to the host's cycles.
#pragma once

#include <array>

#include "base/types.h"

namespace pmusim::platform {

enum class HostCause : u8 {
  Boot,         // of the host kernel, on each CPU once
  WorldSwitch,  // VM-entry, VM-exit with their MSR lists, and KVM's run loop around them
  Msr,          // accesses to MSRs, counters and the local APIC by the run loop and by exit handlers
  Handlers,     // of VM-exits: decoding, emulation, completion; injection of events
  HostPerf,     // the host's perf: its accesses. Its own code costs nothing here
  Interrupts,   // interrupts and NMIs of the host, from delivery to return, but for perf's part
  Scheduler,    // of the host: thread switches, sleeping, waking
  Monitor,      // the return to user space, its work there, its ioctls, the way back
  Number
};
inline constexpr unsigned kHostCauses = static_cast<unsigned>(HostCause::Number);
using HostCycles = std::array<u64, kHostCauses>;

const char* host_cause_name(HostCause cause);  // "world_switch"

}  // namespace pmusim::platform
