// SPDX-License-Identifier: Apache-2.0
// Looking up the event that a counter is programmed to count, and the threshold part of its setup.
#include "pmu/description.h"

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

u16 event_code(Vendor vendor, u64 selector) {
  return static_cast<u16>((selector & 0xff) | (vendor == Vendor::Amd ? (selector >> 32 & 0xf) << 8 : 0));
}

const char* not_counted_by(const PmuDescription& model, unsigned counter, u64 selector) {
  const bool fixed = counter >= kFixedBase;
  const EventInfo* event =
      fixed ? find_fixed_event(model.events, counter - kFixedBase)
            : find_gp_event(model.events, event_code(model.vendor, selector), selector >> 8 & 0xff, counter);
  constexpr u64 kThreshold = 0xff040000;  // CMASK and EDGE
  const bool threshold = !fixed && (selector & kThreshold);
  const bool interval_counts = event && event->needs_interval && (event->per_cycle || !threshold);
  return interval_counts && !model.interval ? "functional timing" : "this simulator";
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
