// SPDX-License-Identifier: Apache-2.0
// Names of causes, as in stats.json.
#include "platform/cpu/host_cause.h"

namespace pmusim::platform {

const char* host_cause_name(HostCause cause) {
  switch (cause) {
    case HostCause::Boot:
      return "boot";
    case HostCause::WorldSwitch:
      return "world_switch";
    case HostCause::Msr:
      return "msr_accesses";
    case HostCause::Handlers:
      return "handlers";
    case HostCause::HostPerf:
      return "host_perf";
    case HostCause::Interrupts:
      return "interrupts";
    case HostCause::Scheduler:
      return "scheduler";
    case HostCause::Monitor:
      return "monitor";
    case HostCause::Number:
      break;
  }
  return "?";
}

}  // namespace pmusim::platform
