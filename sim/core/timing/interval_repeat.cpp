// SPDX-License-Identifier: Apache-2.0
// State relative to the cycle of dispatch: nothing begins before it, so earlier times are all alike.
#include <algorithm>

#include "core/timing/interval.h"

namespace pmusim::core {

// Every time after which something is free or ready.
template <class F>
void IntervalTiming::each_time(F f) {
  f(drained_at_);
  f(divider_free_);
  f(vector_divider_free_);
  f(fetch_ready_);
  f(predicted_);
  for (unsigned r = 0; r < kTimingRegisters; ++r) f(ready_[r]);
  rob_.each(f);
  load_queue_.each(f);
  store_queue_.each(f);
}

// Moves everything in time; what lies behind is forgotten.
void IntervalTiming::shift(u64 cycles) {
  const u64 now = dispatch_cycle_;
  each_time([&](u64& cycle) { cycle = cycle > now ? cycle + cycles : 0; });
  if (!fetch_ready_) wait_ = Wait::Nothing;
  for (Store& s : stores_) {
    if (s.drained <= now) s = {};
    if (s.drained) s.drained += cycles;
    if (s.data) s.data += cycles;
  }
  ports_.shift(cycles);
  dispatch_cycle_ += cycles;
  retired_at_ += cycles;
}

void IntervalTiming::pattern(TimingPattern& to) {
  WordArchive words;
  const u64 now = dispatch_cycle_;
  u64 behind = retired_at_ - now;
  words(behind, dispatched_, retired_, taken_, fusible_, fused_, retiring_, code_line_, wait_, fetch_bound_);
  each_time([&](u64& cycle) {
    u64 left = cycle > now ? cycle - now : 0;
    words(left);
  });
  for (const Store& s : stores_) {
    u64 left = s.drained > now ? s.drained - now : 0;
    words(left);
  }
  ports_.pattern(words);
  predictor_.pattern(words);
  to.words = words.take();
  to.advance.assign(std::begin(spent_), std::end(spent_));
  to.advance.push_back(predictor_.learned());
  to.cycle = retired_at_;
}

u64 IntervalTiming::most_skips(const TimingPattern& from, const TimingPattern& to) const {
  const u64 branches = to.advance.back() - from.advance.back();
  return branches ? predictor_.most_skipped() / branches : kNever;
}

void IntervalTiming::skip(const TimingPattern& from, const TimingPattern& to, u64 times) {
  for (unsigned i = 0; i < std::size(spent_); ++i) spent_[i] += times * (to.advance[i] - from.advance[i]);
  predictor_.skip(times * (to.advance.back() - from.advance.back()));
  shift(times * (to.cycle - from.cycle));
}

}  // namespace pmusim::core
