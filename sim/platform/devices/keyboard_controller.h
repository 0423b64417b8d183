// SPDX-License-Identifier: Apache-2.0
// The i8042 is absent, its ports read all ones; but command FEH at 64H pulses the reset line, which is how
// systems reboot that find no better way.
#pragma once

#include <functional>

#include "platform/devices/register_model.h"

namespace pmusim::platform {

inline constexpr u16 kKeyboardDataPort = 0x60, kKeyboardCommandPort = 0x64, kKeyboardPorts = 1;

class KeyboardController final : public ByteRegisters {
 public:
  std::function<void()> on_reset;
  u8 read_byte(u64) override { return 0xff; }
  void write_byte(u64, u8 value) override {
    if (value == 0xfe && on_reset) on_reset();
  }
};

}  // namespace pmusim::platform
