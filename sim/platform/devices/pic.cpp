// SPDX-License-Identifier: Apache-2.0
// 8259A.
#include "platform/devices/pic.h"

namespace pmusim::platform {
namespace {
constexpr unsigned kCascade = 2;
}

int Pic::highest(u8 set) const {
  for (unsigned i = 1; i <= 8; ++i) {
    const unsigned input = (lowest_ + i) & 7;
    if (set >> input & 1) return static_cast<int>(input);
  }
  return -1;
}

// Fully nested: only what is above the highest in service. The master serves its cascade input again in
// special fully nested mode; in special mask mode masked inputs in service block nothing.
int Pic::request() const {
  const int wanted = highest(static_cast<u8>(requests_ & ~mask_));
  if (wanted < 0) return -1;
  u8 blocking = in_service_;
  if (special_mask_) blocking &= static_cast<u8>(~mask_);
  if (special_nested_ && master_) blocking &= static_cast<u8>(~(1 << kCascade));
  const int serving = highest(blocking);
  if (serving < 0) return wanted;
  const auto rank = [this](int input) { return (static_cast<unsigned>(input) - lowest_ - 1) & 7; };
  return rank(wanted) < rank(serving) ? wanted : -1;
}

void Pic::update() {
  const bool level = request() >= 0;
  if (level == output_) return;
  output_ = level;
  if (on_output) on_output(level);
}

void Pic::set_input(unsigned input, bool level) {
  const u8 bit = static_cast<u8>(1 << input);
  if (level_ & bit) {
    requests_ = static_cast<u8>(level ? requests_ | bit : requests_ & ~bit);
  } else if (level && !(lines_ & bit)) {
    requests_ |= bit;
  }
  lines_ = static_cast<u8>(level ? lines_ | bit : lines_ & ~bit);
  update();
}

void Pic::set_edge_level(u8 value) {
  level_ = value & level_capable_;
  requests_ = static_cast<u8>((requests_ & ~level_) | (lines_ & level_));
  update();
}

unsigned Pic::acknowledge() {
  const int input = request();
  if (input < 0) {
    // Spurious: who acknowledges has seen an older level than this one; it is told again.
    if (on_output) on_output(output_);
    return 7;
  }
  const u8 bit = static_cast<u8>(1 << input);
  if (!(level_ & bit)) requests_ &= static_cast<u8>(~bit);
  if (!auto_eoi_) in_service_ |= bit;
  // INT falls with the acknowledge, and rises again if something still waits.
  if (output_) {
    output_ = false;
    if (on_output) on_output(false);
  }
  update();
  return static_cast<unsigned>(input);
}

void Pic::end_of_interrupt(u8 command) {
  const unsigned level = command & 7;
  switch (command >> 5) {
    case 1:  // non-specific
    case 5:  // ... with rotation
    {
      const int input = highest(in_service_);
      if (input < 0) break;
      in_service_ &= static_cast<u8>(~(1 << input));
      if (command & 0x80) lowest_ = static_cast<u8>(input);
      break;
    }
    case 3:  // specific
    case 7:  // ... with rotation
      in_service_ &= static_cast<u8>(~(1 << level));
      if (command & 0x80) lowest_ = static_cast<u8>(level);
      break;
    case 6:  // set priority
      lowest_ = static_cast<u8>(level);
      break;
    default:
      break;
  }
}

void Pic::write_byte(u64 offset, u8 value) {
  if (offset == 0) {
    if (value & 0x10) {  // ICW1
      mask_ = in_service_ = 0;
      requests_ &= level_;
      lowest_ = 7;
      special_mask_ = read_service_ = poll_ = auto_eoi_ = special_nested_ = false;
      single_ = value & 2;
      wants_icw4_ = value & 1;
      next_word_ = 2;
    } else if (value & 8) {  // OCW3
      if (value & 4) poll_ = true;
      if (value & 2) read_service_ = value & 1;
      if (value & 0x40) special_mask_ = value & 0x20;
    } else {
      end_of_interrupt(value);
    }
  } else if (next_word_ == 2) {
    base_ = value & 0xf8;
    next_word_ = single_ ? (wants_icw4_ ? 4 : 0) : 3;
  } else if (next_word_ == 3) {
    next_word_ = wants_icw4_ ? 4 : 0;
  } else if (next_word_ == 4) {
    auto_eoi_ = value & 2;
    special_nested_ = value & 0x10;
    next_word_ = 0;
  } else {
    mask_ = value;
  }
  update();
}

u8 Pic::read_byte(u64 offset) {
  if (poll_) {
    poll_ = false;
    if (request() < 0) return 0;
    return static_cast<u8>(0x80 | acknowledge());
  }
  if (offset == 1) return mask_;
  return read_service_ ? in_service_ : requests_;
}

void Pic::reset() {
  lines_ = requests_ = in_service_ = level_ = base_ = next_word_ = 0;
  mask_ = 0xff;
  lowest_ = 7;
  wants_icw4_ = single_ = auto_eoi_ = special_mask_ = read_service_ = poll_ = output_ = special_nested_ =
      false;
}

void Pic::archive(Archive& a) {
  a(lines_, requests_, in_service_, mask_, level_, base_, lowest_, next_word_, wants_icw4_, single_,
    auto_eoi_, special_mask_, read_service_, poll_, output_, special_nested_);
}

}  // namespace pmusim::platform
