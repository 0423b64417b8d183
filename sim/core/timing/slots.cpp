// SPDX-License-Identifier: Apache-2.0
// Choosing a buffer and a bucket.
#include "core/timing/slots.h"

#include <algorithm>

namespace pmusim::core {

// Of the buffers that are free by then the one freed last: the others stay for requests of earlier cycles.
Buffers::Grant Buffers::acquire(u64 cycle) const {
  if (held_.front().until > cycle) {
    for (const Held& h : held_)
      if (h.idle_from <= cycle && cycle < h.from) return {cycle, kNone};
    return {held_.front().until, 0};
  }
  const auto later =
      std::upper_bound(held_.begin(), held_.end(), cycle, [](u64 at, const Held& h) { return at < h.until; });
  return {cycle, static_cast<u32>(later - held_.begin() - 1)};
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
