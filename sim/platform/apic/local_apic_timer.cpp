// SPDX-License-Identifier: Apache-2.0
// The local APIC timer. Nothing ticks: the count is computed from the clock when it is read, and the owner
// pulls the next deadline. Periodic expiries that lie before the same update() collapse into one request, as
// the single IRR bit would.
#include <algorithm>

#include "platform/apic/local_apic.h"

namespace pmusim::platform {
using namespace apic;

// Bits 3, 1, 0 of the divide configuration: 0 = 2, 1 = 4, ... 6 = 128, 7 = 1.
u32 LocalApic::divisor_shift() const {
  return (((divide_ & 3) | (divide_ >> 1 & 4)) + 1) & 7;
}

u64 LocalApic::ticks_left() const {
  const u64 now = clock_->timer_ticks();
  return timer_end_ticks_ > now ? timer_end_ticks_ - now : 0;
}

u32 LocalApic::current_count() const {
  if (!timer_running_ || timer_mode() == kTimerTscDeadline) return 0;
  const u32 shift = divisor_shift();
  return static_cast<u32>((ticks_left() + (u64{1} << shift) - 1) >> shift);
}

u64 LocalApic::period() const {
  const u64 asked = static_cast<u64>(initial_count_) << divisor_shift();
  return timer_mode() == kTimerPeriodic ? std::max(asked, features_.least_period) : asked;
}

void LocalApic::start_timer() {
  timer_running_ = initial_count_ != 0;
  if (timer_running_) timer_end_ticks_ = clock_->timer_ticks() + period();
}

void LocalApic::rebase_timer(u32 remaining) {
  timer_end_ticks_ = clock_->timer_ticks() + (static_cast<u64>(remaining) << divisor_shift());
}

void LocalApic::update() {
  if (tsc_deadline_ && clock_->tsc() >= tsc_deadline_) {
    tsc_deadline_ = 0;
    deliver_local(kLvtTimer);
  }
  if (!timer_running_) return;
  const u64 now = clock_->timer_ticks();
  if (now < timer_end_ticks_) return;
  if (timer_mode() == kTimerPeriodic) {
    timer_end_ticks_ += ((now - timer_end_ticks_) / period() + 1) * period();
  } else {
    timer_running_ = false;
  }
  deliver_local(kLvtTimer);
}

u64 LocalApic::next_deadline() const {
  u64 next = kNever;
  if (tsc_deadline_) next = clock_->cycle_at_tsc(tsc_deadline_);
  // A masked one-shot timer still stops its count, but nobody needs to be woken for that.
  if (timer_running_ && !(lvt_[0] & kMasked)) {
    const u64 at = clock_->cycle_at_timer_ticks(timer_end_ticks_);
    if (at < next) next = at;
  }
  return next;
}

u64 LocalApic::tsc_deadline() const {
  return tsc_deadline_ && clock_->tsc() < tsc_deadline_ ? tsc_deadline_ : 0;
}

void LocalApic::write_tsc_deadline(u64 value) {
  if (timer_mode() != kTimerTscDeadline) return;  // ignored in the counting modes
  tsc_deadline_ = value;
  update();
}

}  // namespace pmusim::platform
