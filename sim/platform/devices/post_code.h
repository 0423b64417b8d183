// SPDX-License-Identifier: Apache-2.0
// Port 80H: diagnostic codes, and the write that old code uses as a delay. Reads return the last one.
#pragma once

#include "platform/devices/register_model.h"

namespace pmusim::platform {

inline constexpr u16 kPostCodePort = 0x80, kPostCodePorts = 1;

class PostCode final : public ByteRegisters {
 public:
  u8 read_byte(u64) override { return code_; }
  void write_byte(u64, u8 value) override { code_ = value; }
  void reset() override { code_ = 0; }
  void archive(Archive& a) override { a(code_); }

 private:
  u8 code_ = 0;
};

}  // namespace pmusim::platform
