// SPDX-License-Identifier: Apache-2.0
// HostPerf's state of one physical CPU (struct cpu_hw_events and perf_cpu_context), private to
// host_perf*.cpp.
#pragma once

#include "hypervisor/perf/host_perf.h"

namespace pmusim::hv {

struct HostPerf::Cpu {
  PerfContext context{false};
  PerfContext* task = nullptr;
  // Placed events in order of addition, and the counter that the solver gave each; applied at the next
  // enable.
  std::vector<PerfEvent*> list;
  std::vector<int> assigned;
  bool added = false;        // something to apply
  unsigned disabled = 0;     // nesting depth of pmu_disable
  bool was_enabled = false;  // at the outermost disable
  bool enabled = false;
  u64 fixed_ctrl = 0, fixed_ctrl_written = 0;
  bool virtualization = false;
  bool guest_loaded = false;
  u64 mux_deadline = kNever;
  PerfEvent* watchdog = nullptr;

  void remove(PerfEvent* event) {
    for (std::size_t i = 0; i < list.size(); ++i)
      if (list[i] == event) {
        list.erase(list.begin() + static_cast<std::ptrdiff_t>(i));
        assigned.erase(assigned.begin() + static_cast<std::ptrdiff_t>(i));
        return;
      }
  }
};

}  // namespace pmusim::hv
