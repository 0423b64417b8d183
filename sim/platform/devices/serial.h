// SPDX-License-Identifier: Apache-2.0
// A 16550 at eight consecutive ports, registers and interrupts after the PC16550D data sheet. A character
// leaves in no time, so the transmitter is always ready; output is captured. The interrupt output is gated by
// OUT2, as PCs wire it. Characters are received from receive() and in loop-back.
// Not modelled: baud rate, line errors, receive time-out and trigger levels (a character interrupts at once).
#pragma once

#include <functional>
#include <string>

#include "platform/devices/register_model.h"

namespace pmusim::platform {

inline constexpr u16 kSerialPort = 0x3f8, kSerialPorts = 8;
inline constexpr unsigned kSerialIrq = 4;

class Serial final : public ByteRegisters {
 public:
  u8 read_byte(u64 offset) override;
  void write_byte(u64 offset, u8 value) override;
  void reset() override;
  void archive(Archive& a) override;

  void receive(char c);  // from outside; an overrun loses the newest
  const std::string& output() const { return output_; }
  std::function<void(char)> on_character;  // as they come; not part of the state
  std::function<void(bool)> on_interrupt;  // level of the interrupt line, when it changes

 private:
  bool divisor_access() const { return line_control_ & 0x80; }
  bool loop_back() const { return modem_control_ & 0x10; }
  u8 interrupt_cause() const;  // bits 3:0 of the identification register
  u8 modem_status() const;
  void transmit(u8 byte);
  void update_interrupt();

  u8 interrupt_enable_ = 0, fifo_control_ = 0, line_control_ = 0, modem_control_ = 0, scratch_ = 0;
  u8 divisor_[2] = {};
  bool transmitter_interrupt_ = false;  // "holding register empty", until it is identified
  bool overrun_ = false, line_ = false;
  std::string received_;  // not yet read, at most the FIFO's 16
  std::string output_;
};

}  // namespace pmusim::platform
