// SPDX-License-Identifier: Apache-2.0
// ACPI's fixed hardware at 600H (ACPI Specification 6, "ACPI Register Model"): PM1 status and enable, PM1
// control with ACPI mode always on, and the 24-bit power management timer at 608H, 3579545 Hz. Entering the
// sleep state of _S5 powers the machine off. Not modelled: status bits and SCIs, other sleep states.
#pragma once

#include <functional>

#include "platform/devices/device_clock.h"
#include "platform/devices/register_model.h"

namespace pmusim::platform {

inline constexpr u16 kAcpiPmPort = 0x600, kAcpiPmPorts = 12;
inline constexpr u16 kPm1EventPort = 0x600, kPm1ControlPort = 0x604, kPmTimerPort = 0x608;
inline constexpr u64 kPmTimerHz = 3579545;
inline constexpr u8 kSleepTypeOff = 5;  // what _S5 names

class AcpiPm final : public RegisterModel {
 public:
  explicit AcpiPm(const DeviceClock& clock) : clock_(clock) {}
  std::function<void()> on_power_off;
  u64 read(u64 offset, unsigned size) override;
  void write(u64 offset, u64 value, unsigned size) override;
  void reset() override { enable_ = 0, control_ = 1; }
  void archive(Archive& a) override { a(enable_, control_); }

 private:
  const DeviceClock& clock_;
  u16 enable_ = 0, control_ = 1;  // bit 0: SCI_EN
};

}  // namespace pmusim::platform
