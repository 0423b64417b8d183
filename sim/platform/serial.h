// SPDX-License-Identifier: Apache-2.0
// Transmit side of a 16550 at eight consecutive ports: always ready, output captured. Registers after the
// PC16550D data sheet. Not modelled: receiving, interrupts, baud rate, modem lines, loop-back.
#pragma once

#include <functional>
#include <string>

#include "platform/register_model.h"

namespace pmusim::platform {

inline constexpr u16 kSerialPort = 0x3f8, kSerialPorts = 8;

class Serial final : public RegisterModel {
 public:
  u64 read(u64 offset, unsigned size) override;
  void write(u64 offset, u64 value, unsigned size) override;
  void reset() override;
  void archive(Archive& a) override;

  const std::string& output() const { return output_; }
  std::function<void(char)> on_character;  // as they come; not part of the state

 private:
  bool divisor_access() const { return line_control_ & 0x80; }
  u8 interrupt_enable_ = 0, fifo_control_ = 0, line_control_ = 0, modem_control_ = 0, scratch_ = 0;
  u8 divisor_[2] = {};
  std::string output_;
};

}  // namespace pmusim::platform
