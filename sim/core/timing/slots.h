// SPDX-License-Identifier: Apache-2.0
// Limited resources in time: a number of buffers each held from one cycle to another, and a channel that
// passes one item per interval. Requests come in program order with cycles that need not grow.
#pragma once

#include <vector>

#include "base/archive.h"

namespace pmusim::core {

// A request also fits into the time in which a buffer was free before its last holding, and then holds
// nothing: a buffer remembers one holding only. Buffers are kept in the order in which they come free.
class Buffers {
 public:
  explicit Buffers(u32 count) : held_(count) {}

  struct Grant {
    u64 start;   // the request may begin
    u32 buffer;  // to hold from then on; kNone: nothing to hold
  };
  static constexpr u32 kNone = ~0u;

  Grant acquire(u64 cycle) const;
  void hold(const Grant& grant, u64 until) {
    if (grant.buffer == kNone) return;
    const Held held{held_[grant.buffer].until, grant.start, until};
    u32 at = grant.buffer;
    for (; at + 1 < held_.size() && held_[at + 1].until <= until; ++at) held_[at] = held_[at + 1];
    for (; at > 0 && held_[at - 1].until > until; --at) held_[at] = held_[at - 1];
    held_[at] = held;
  }
  bool free_at(u64 cycle) const { return acquire(cycle).start == cycle; }
  void archive(WordArchive& a) {
    for (Held& h : held_) a(h.idle_from, h.from, h.until);
  }

 private:
  struct Held {
    u64 idle_from = 0, from = 0, until = 0;
  };
  std::vector<Held> held_;  // by `until`, the first to come free first
};

// Time in buckets of some items each: within a bucket items pass at their interval, and a full bucket sends
// the request on to the next. Requests older than the window of buckets pass at once.
class Bandwidth {
 public:
  explicit Bandwidth(u32 interval) : interval_(interval), buckets_(kBuckets) {}

  u64 pass(u64 cycle);  // the cycle at which it begins to pass
  void archive(WordArchive& a) {
    for (Bucket& b : buckets_) a(b.number, b.items);
  }

 private:
  static constexpr u32 kBuckets = 512, kItems = 4;
  struct Bucket {
    u64 number = 0;
    u32 items = 0;
  };
  u64 interval_;
  std::vector<Bucket> buckets_;
};

}  // namespace pmusim::core
