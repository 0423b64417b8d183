// SPDX-License-Identifier: Apache-2.0
// Choosing a buffer and a bucket.
#include "core/timing/slots.h"

#include <algorithm>

namespace pmusim::core {

// Of the buffers that are free by then the one freed last: the others stay for requests of earlier cycles.
Buffers::Grant Buffers::acquire(u64 cycle) const {
  u32 best = kNone, soonest = 0;
  bool gap = false;
  for (u32 i = 0; i < held_.size(); ++i) {
    const Held& h = held_[i];
    if (h.until <= cycle) {
      if (best == kNone || h.until > held_[best].until) best = i;
    } else if (h.idle_from <= cycle && cycle < h.from) {
      gap = true;
    }
    if (h.until < held_[soonest].until) soonest = i;
  }
  if (best != kNone) return {cycle, best};
  if (gap) return {cycle, kNone};
  return {held_[soonest].until, soonest};
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
