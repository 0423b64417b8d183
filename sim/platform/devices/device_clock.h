// SPDX-License-Identifier: Apache-2.0
// Time as devices know it: nanoseconds since power-on, on one clock per machine. Nothing ticks; a device with
// a counter computes it when it is read, and answers when it will next act. Conversions round down, so equal
// times give equal counts whatever happened in between.
#pragma once

#include "base/ratio.h"

namespace pmusim::platform {

class DeviceClock {
 public:
  virtual ~DeviceClock() = default;
  virtual u64 nanoseconds() const = 0;
};

inline constexpr u64 kNanosecondsPerSecond = 1'000'000'000;

// Ticks of a clock of `hz` in that time, and the first nanosecond at which so many have passed.
inline u64 ticks_at(u64 nanoseconds, u64 hz) {
  return Ratio{hz, kNanosecondsPerSecond}.floor(nanoseconds);
}
inline u64 nanoseconds_at(u64 ticks, u64 hz) {
  return Ratio{kNanosecondsPerSecond, hz}.ceil(ticks);
}

}  // namespace pmusim::platform
