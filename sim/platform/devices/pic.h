// SPDX-License-Identifier: Apache-2.0
// One 8259A interrupt controller, after the 8259A data sheet: initialization words, masks, priorities with
// rotation, end-of-interrupt commands, poll, special mask mode, and the edge/level register that chip sets
// add. After power-on as firmware that uses no interrupts leaves it: initialized, all masked.
// An edge stays requested although the line falls again (the chip would answer with its spurious vector).
// Not modelled: buffered mode, 8080/85 vectors, automatic rotation.
#pragma once

#include <functional>

#include "platform/devices/register_model.h"

namespace pmusim::platform {

inline constexpr u16 kPicPort0 = 0x20, kPicPort1 = 0xa0, kPicPorts = 2;
inline constexpr u16 kElcrPort = 0x4d0, kElcrPorts = 2;

class Pic final : public ByteRegisters {
 public:
  // level_capable: inputs that the edge/level register may switch.
  Pic(bool master, u8 level_capable) : master_(master), level_capable_(level_capable) {}
  std::function<void(bool)> on_output;  // level of the INT pin, when it changes

  u8 read_byte(u64 offset) override;
  void write_byte(u64 offset, u8 value) override;
  void reset() override;
  void archive(Archive& a) override;

  void set_input(unsigned input, bool level);
  bool output() const { return output_; }
  // The first INTA cycle: the input that is now in service; 7 if none requests any more (spurious).
  unsigned acknowledge();
  u8 vector(unsigned input) const { return static_cast<u8>(base_ | input); }

  u8 edge_level() const { return level_; }
  void set_edge_level(u8 value);

 private:
  int highest(u8 set) const;  // input of highest priority, or -1
  int request() const;        // input to be served now, or -1
  void update();
  void end_of_interrupt(u8 command);

  const bool master_;
  const u8 level_capable_;
  u8 lines_ = 0, requests_ = 0, in_service_ = 0, mask_ = 0xff, level_ = 0, base_ = 0, lowest_ = 7;
  u8 next_word_ = 0;  // initialization word expected at the odd port; 0: none
  bool wants_icw4_ = false, single_ = false, auto_eoi_ = false, special_mask_ = false, read_service_ = false,
       poll_ = false, output_ = false, special_nested_ = false;
};

// Both edge/level registers, at 4D0H and 4D1H.
class EdgeLevel final : public ByteRegisters {
 public:
  EdgeLevel(Pic& master, Pic& slave) : pics_{&master, &slave} {}
  u8 read_byte(u64 offset) override { return pics_[offset & 1]->edge_level(); }
  void write_byte(u64 offset, u8 value) override { pics_[offset & 1]->set_edge_level(value); }

 private:
  Pic* pics_[2];
};

}  // namespace pmusim::platform
