// SPDX-License-Identifier: Apache-2.0
// Choosing a buffer and a bucket.
#include "core/timing/slots.h"

#include <algorithm>

namespace pmusim::core {

// Of the buffers that are free by then the one freed last: the others stay for requests of earlier cycles.
Buffers::Grant Buffers::acquire(u64 cycle) const {
  bool gap = false;
  for (u32 i = static_cast<u32>(held_.size()); i-- > 0;) {
    const Held& h = held_[i];
    if (h.until <= cycle) return {cycle, i};
    gap |= h.idle_from <= cycle && cycle < h.from;
  }
  if (gap) return {cycle, kNone};
  u32 soonest = 0;
  while (soonest + 1 < held_.size() && held_[soonest + 1].until == held_[0].until) ++soonest;
  return {held_[soonest].until, soonest};
}

void Buffers::hold(const Grant& grant, u64 until) {
  if (grant.place == kNone) return;
  u32 at = grant.place;
  const Held held{held_[at].until, grant.start, until, held_[at].buffer};
  for (; at + 1 < held_.size() && held_[at + 1].before(held); ++at) held_[at] = held_[at + 1];
  held_[at] = held;
}

// In the order of their numbers.
void Buffers::visit(StateWords& words) {
  const auto by_number = [](const Held& a, const Held& b) { return a.buffer < b.buffer; };
  std::sort(held_.begin(), held_.end(), by_number);
  for (Held& h : held_) words(h.idle_from, h.from, h.until);
  std::sort(held_.begin(), held_.end(), [](const Held& a, const Held& b) { return a.before(b); });
}

u64 Bandwidth::pass(u64 cycle) {
  const u64 span = interval_ * kItems;
  for (u64 number = cycle / span;; ++number) {
    Bucket& bucket = buckets_[number % kBuckets];
    if (bucket.number > number) return std::max(cycle, number * span);
    if (bucket.number < number) bucket = {number, 0};
    if (bucket.items == kItems) continue;
    return std::max(cycle, number * span + interval_ * bucket.items++);
  }
}

}  // namespace pmusim::core
