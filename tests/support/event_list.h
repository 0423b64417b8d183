// SPDX-License-Identifier: Apache-2.0
// A sink of the event stream that keeps what it is told.
#pragma once

#include <vector>

#include "base/event.h"

namespace pmusim::test {

class EventList final : public EventSink {
 public:
  std::vector<Event> events;
  void on_event(const Event& event) override { events.push_back(event); }
  std::vector<Event> of(EventKind kind) const {
    std::vector<Event> list;
    for (const Event& e : events)
      if (e.kind == kind) list.push_back(e);
    return list;
  }
};

}  // namespace pmusim::test
