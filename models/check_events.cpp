// SPDX-License-Identifier: Apache-2.0
// Checks of a model file's event list.
#include <map>
#include <tuple>

#include "base/bits.h"
#include "models/check.h"

namespace pmusim::models {
namespace {

using pmu::Caps;
using pmu::EventInfo;

bool same_counters(const EventInfo& a, const EventInfo& b) {
  return a.fixed == b.fixed && (a.fixed >= 0 || (a.counters & b.counters));
}

void check_counters(const JsonView& json, const EventInfo& event, const Caps& caps) {
  if (!event.unit.empty()) {
    if (event.kinds)
      json.at("counts").fail("counts of unit " + event.unit, "none: only core counters are simulated");
    return;
  }
  if (event.fixed >= 0 && !(caps.fixed_mask >> event.fixed & 1))
    json.at("fixed").fail(std::to_string(event.fixed), "a fixed counter that the CPU has");
  if (event.fixed >= 0 && json.has("counters"))
    json.at("counters").fail("\"counters\" of a fixed event", "none");
  if (event.fixed < 0 && !json.has("counters"))
    json.fail("neither \"counters\" nor \"fixed\"", "one of them");
  if (event.fixed < 0 && (event.counters & ~caps.gp_bits() || !event.counters))
    json.at("counters")
        .fail(json.at("counters").as_string(),
              "a mask of the " + std::to_string(caps.gp_count) + " counters of the CPU");
}

void check_arch_bit(const JsonView& json, const EventInfo& event, const Caps& caps) {
  if (event.arch_bit < 0) return;
  const bool reported = caps.arch_events >> event.arch_bit & 1;
  if (reported && !event.kinds)
    json.at("arch_bit")
        .fail("an architectural event that CPUID 0AH reports available and nothing counts",
              "its bit set in EBX, or \"counts\"");
  if (!reported && event.kinds)
    json.at("arch_bit")
        .fail("an architectural event that is counted and CPUID 0AH reports unavailable",
              "its bit clear in EBX and below the vector length");
}

}  // namespace

void check_events(const JsonView& root, const Caps& caps, const std::vector<EventInfo>& events) {
  const std::vector<JsonView> list = root.at("events").items();
  std::map<std::string, std::size_t> names;
  std::map<std::tuple<std::string, u16, u8>, std::vector<std::size_t>> encodings;
  for (std::size_t i = 0; i < events.size(); ++i) {
    const EventInfo& event = events[i];
    const auto [seen, fresh] = names.emplace(event.name, i);
    if (!fresh)
      list[i].at("name").fail("\"" + event.name + "\" again",
                              "each name once (first at " + list[seen->second].place() + ")");
    check_counters(list[i], event, caps);
    check_arch_bit(list[i], event, caps);
    if (!event.unit.empty()) continue;
    std::vector<std::size_t>& same = encodings[{event.unit, event.code, event.umask}];
    for (const std::size_t k : same)
      if (same_counters(event, events[k]) &&
          (event.kinds != events[k].kinds || event.per_cycle != events[k].per_cycle))
        list[i].fail("\"" + event.name + "\" with the encoding and counters of \"" + events[k].name +
                         "\" but other counts",
                     "all events of one encoding to count the same (see " + list[k].place() + ")");
    same.push_back(i);
  }
  // A fixed counter counts one thing whatever its pseudo-encoding is.
  for (std::size_t i = 0; i < events.size(); ++i)
    for (std::size_t k = 0; k < i; ++k)
      if (events[i].fixed >= 0 && events[i].fixed == events[k].fixed && events[i].unit.empty() &&
          events[k].unit.empty() && events[i].kinds != events[k].kinds)
        list[i].fail("other counts than \"" + events[k].name + "\" has", "one meaning of a fixed counter");
}

}  // namespace pmusim::models
