// SPDX-License-Identifier: Apache-2.0
// MC146818 real-time clock and CMOS memory at 70H and 71H, after its data sheet. The time of day is a
// configured start plus device time, so it never depends on the host. Time registers follow register B (BCD
// or binary, 12 or 24 hours); the century stands at 32H as PC firmware has it. Not modelled: setting the
// clock (writes to time registers are dropped), alarms, interrupts, register B's SET.
#pragma once

#include "platform/devices/device_clock.h"
#include "platform/devices/register_model.h"

namespace pmusim::platform {

inline constexpr u16 kRtcPort = 0x70, kRtcPorts = 2;
inline constexpr u64 kDefaultStartTime = 1735689600;  // 2025-01-01 00:00:00 UTC, a Wednesday

class Rtc final : public ByteRegisters {
 public:
  explicit Rtc(const DeviceClock& clock) : clock_(clock) {}
  u64 start_time = kDefaultStartTime;  // seconds since 1970

  u8 read_byte(u64 offset) override;
  void write_byte(u64 offset, u8 value) override;
  void reset() override;
  void archive(Archive& a) override { a(index_, memory_, start_time); }

 private:
  u8 number(u64 value) const;  // in the format that register B says
  u8 time_register(u8 index) const;
  u8 hours(u64 hour) const;

  const DeviceClock& clock_;
  u8 index_ = 0;
  u8 memory_[128] = {};
};

}  // namespace pmusim::platform
