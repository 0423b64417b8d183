// SPDX-License-Identifier: Apache-2.0
// isa-debug-exit: a write of v ends the run with status 2 v + 1.
#pragma once

#include <functional>

#include "platform/devices/register_model.h"

namespace pmusim::platform {

inline constexpr u16 kExitPort = 0xf4, kExitPorts = 4;

class DebugExit final : public RegisterModel {
 public:
  std::function<void(u32 status)> on_exit;
  u64 read(u64, unsigned) override { return ~u64{0}; }
  void write(u64, u64 value, unsigned) override {
    if (on_exit) on_exit(static_cast<u32>(2 * value + 1));
  }
};

}  // namespace pmusim::platform
