// SPDX-License-Identifier: Apache-2.0
// ACPI PM1 registers and timer.
#include "platform/devices/acpi_pm.h"

#include <cstring>

#include "base/bits.h"

namespace pmusim::platform {
namespace {
constexpr u64 kEnable = 2, kControl = 4, kTimer = 8;
constexpr u16 kSleepEnable = 1 << 13, kSciEnable = 1;
}  // namespace

u64 AcpiPm::read(u64 offset, unsigned size) {
  u8 registers[kAcpiPmPorts + 8] = {};
  const u32 timer = static_cast<u32>(ticks_at(clock_.nanoseconds(), kPmTimerHz) & mask(24));
  std::memcpy(registers + kEnable, &enable_, 2);
  std::memcpy(registers + kControl, &control_, 2);
  std::memcpy(registers + kTimer, &timer, 4);
  u64 value = 0;
  std::memcpy(&value, registers + offset, size);
  return value;
}

void AcpiPm::write(u64 offset, u64 value, unsigned) {
  if (offset == kEnable) enable_ = static_cast<u16>(value);
  if (offset != kControl) return;
  control_ = static_cast<u16>((value & ~u64{kSleepEnable}) | kSciEnable);
  if ((value & kSleepEnable) && (value >> 10 & 7) == kSleepTypeOff && on_power_off) on_power_off();
}

}  // namespace pmusim::platform
