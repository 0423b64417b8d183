// SPDX-License-Identifier: Apache-2.0
// Looking up the event that a counter is programmed to count, and the threshold part of its setup.
#include "pmu/model.h"

namespace pmusim::pmu {

const EventInfo* find_gp_event(const std::vector<EventInfo>& events, u16 code, u8 umask, unsigned gp) {
  for (const EventInfo& e : events)
    if (e.code == code && e.umask == umask && e.fixed < 0 && e.unit.empty() && (e.counters >> gp & 1))
      return &e;
  return nullptr;
}

const EventInfo* find_fixed_event(const std::vector<EventInfo>& events, unsigned fixed) {
  for (const EventInfo& e : events)
    if (e.fixed == static_cast<int>(fixed) && e.unit.empty()) return &e;
  return nullptr;
}

void apply_threshold(CounterSetup& setup, u8 cmask, bool inv, bool edge, bool per_cycle) {
  if (cmask == 0 && !edge) return;
  if (!per_cycle) {
    setup.unavailable = true;
    setup.kinds = 0;
    return;
  }
  setup.cmask = cmask == 0 ? 1 : cmask;
  setup.inv = cmask != 0 && inv;
  setup.edge = edge;
}

}  // namespace pmusim::pmu
