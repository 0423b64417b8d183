// SPDX-License-Identifier: Apache-2.0
// 16550 transmit side. See serial.h for what is left out.
#include "platform/serial.h"

namespace pmusim::platform {

u64 Serial::read(u64 offset, unsigned) {
  switch (offset) {
    case 0:
      return divisor_access() ? divisor_[0] : 0;
    case 1:
      return divisor_access() ? divisor_[1] : interrupt_enable_;
    case 2:
      return (fifo_control_ & 1 ? 0xc0 : 0) | 1;  // no interrupt pending
    case 3:
      return line_control_;
    case 4:
      return modem_control_;
    case 5:
      return 0x60;  // transmitter empty, holding register empty
    case 6:
      return 0xb0;  // carrier, data set ready, clear to send
    default:
      return scratch_;
  }
}

void Serial::write(u64 offset, u64 value, unsigned) {
  const u8 byte = static_cast<u8>(value);
  switch (offset) {
    case 0:
      if (divisor_access()) {
        divisor_[0] = byte;
      } else {
        output_.push_back(static_cast<char>(byte));
        if (on_character) on_character(static_cast<char>(byte));
      }
      break;
    case 1:
      (divisor_access() ? divisor_[1] : interrupt_enable_) = divisor_access() ? byte : byte & 0xf;
      break;
    case 2:
      fifo_control_ = byte;
      break;
    case 3:
      line_control_ = byte;
      break;
    case 4:
      modem_control_ = byte & 0x1f;
      break;
    case 7:
      scratch_ = byte;
      break;
    default:
      break;  // line and modem status are read-only
  }
}

void Serial::reset() {
  interrupt_enable_ = fifo_control_ = line_control_ = modem_control_ = scratch_ = divisor_[0] = divisor_[1] =
      0;
  output_.clear();
}

void Serial::archive(Archive& a) {
  a(interrupt_enable_, fifo_control_, line_control_, modem_control_, scratch_, divisor_);
  a.text(output_);
}

}  // namespace pmusim::platform
