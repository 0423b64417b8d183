// SPDX-License-Identifier: Apache-2.0
// 16550. See serial.h for what is left out.
#include "platform/devices/serial.h"

namespace pmusim::platform {
namespace {

constexpr u8 kReceiveInterrupt = 1, kTransmitInterrupt = 2;          // interrupt enable
constexpr u8 kCauseNone = 1, kCauseTransmit = 2, kCauseReceive = 4;  // interrupt identification
constexpr u8 kRequestToSend = 2, kTerminalReady = 1, kOut1 = 4, kOut2 = 8;
constexpr std::size_t kFifo = 16;

}  // namespace

u8 Serial::interrupt_cause() const {
  if ((interrupt_enable_ & kReceiveInterrupt) && !received_.empty()) return kCauseReceive;
  if ((interrupt_enable_ & kTransmitInterrupt) && transmitter_interrupt_) return kCauseTransmit;
  return kCauseNone;
}

void Serial::update_interrupt() {
  const bool line = interrupt_cause() != kCauseNone && (modem_control_ & kOut2) && !loop_back();
  if (line == line_) return;
  line_ = line;
  if (on_interrupt) on_interrupt(line);
}

// In loop-back the modem inputs are the outputs: RTS to CTS, DTR to DSR, OUT1 to RI, OUT2 to DCD.
u8 Serial::modem_status() const {
  if (!loop_back()) return 0xb0;  // carrier, data set ready, clear to send
  u8 status = 0;
  if (modem_control_ & kRequestToSend) status |= 0x10;
  if (modem_control_ & kTerminalReady) status |= 0x20;
  if (modem_control_ & kOut1) status |= 0x40;
  if (modem_control_ & kOut2) status |= 0x80;
  return status;
}

u8 Serial::read_byte(u64 offset) {
  switch (offset) {
    case 0: {
      if (divisor_access()) return divisor_[0];
      if (received_.empty()) return 0;
      const u8 byte = static_cast<u8>(received_[0]);
      received_.erase(0, 1);
      update_interrupt();
      return byte;
    }
    case 1:
      return divisor_access() ? divisor_[1] : interrupt_enable_;
    case 2: {
      const u8 cause = interrupt_cause();
      if (cause == kCauseTransmit) {
        transmitter_interrupt_ = false;
        update_interrupt();
      }
      return static_cast<u8>((fifo_control_ & 1 ? 0xc0 : 0) | cause);
    }
    case 3:
      return line_control_;
    case 4:
      return modem_control_;
    case 5: {
      const u8 status = static_cast<u8>(0x60 | (overrun_ ? 2 : 0) | (received_.empty() ? 0 : 1));
      overrun_ = false;
      return status;
    }
    case 6:
      return modem_status();
    default:
      return scratch_;
  }
}

void Serial::transmit(u8 byte) {
  if (loop_back()) {
    receive(static_cast<char>(byte));
  } else {
    output_.push_back(static_cast<char>(byte));
    if (on_character) on_character(static_cast<char>(byte));
  }
  // Sent at once: the line falls with the write and rises again.
  transmitter_interrupt_ = false;
  update_interrupt();
  transmitter_interrupt_ = true;
  update_interrupt();
}

void Serial::receive(char c) {
  if (received_.size() < (fifo_control_ & 1 ? kFifo : 1))
    received_.push_back(c);
  else
    overrun_ = true;
  update_interrupt();
}

void Serial::write_byte(u64 offset, u8 byte) {
  switch (offset) {
    case 0:
      if (divisor_access())
        divisor_[0] = byte;
      else
        transmit(byte);
      break;
    case 1:
      if (divisor_access()) {
        divisor_[1] = byte;
        break;
      }
      // Enabling it while the register is empty interrupts at once.
      if (byte & ~interrupt_enable_ & kTransmitInterrupt) transmitter_interrupt_ = true;
      interrupt_enable_ = byte & 0xf;
      break;
    case 2:
      fifo_control_ = byte;
      if ((byte & 2) || !(byte & 1)) received_.clear();
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
  update_interrupt();
}

void Serial::reset() {
  interrupt_enable_ = fifo_control_ = line_control_ = modem_control_ = scratch_ = divisor_[0] = divisor_[1] =
      0;
  transmitter_interrupt_ = overrun_ = line_ = false;
  received_.clear();
  output_.clear();
}

void Serial::archive(Archive& a) {
  a(interrupt_enable_, fifo_control_, line_control_, modem_control_, scratch_, divisor_,
    transmitter_interrupt_, overrun_, line_);
  a.text(received_);
  a.text(output_);
}

}  // namespace pmusim::platform
