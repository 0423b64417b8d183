// SPDX-License-Identifier: Apache-2.0
// I/O APIC with 24 inputs, after the 82093AA data sheet. Messages go out on the same bus as those of local
// APICs; a level-triggered input is requested again at an end of interrupt while its line is asserted. Inputs
// are "asserted" or not: the polarity bit is stored, and whoever drives the line has applied it. Remote IRR
// is set when the message is sent. Not modelled: delivery status (always idle), ExtINT entries
// (no 8259A is wired to an input), edges of masked inputs (lost).
#pragma once

#include "platform/apic/local_apic.h"
#include "platform/devices/register_model.h"

namespace pmusim::platform {

inline constexpr u64 kIoApicBase = 0xfec00000, kIoApicSize = 0x20;
inline constexpr unsigned kIoApicInputs = 24;

class IoApic final : public RegisterModel {
 public:
  explicit IoApic(ApicBus& bus) : bus_(&bus) {}
  u64 read(u64 offset, unsigned size) override;
  void write(u64 offset, u64 value, unsigned size) override;
  void reset() override;
  void archive(Archive& a) override;

  void set_input(unsigned input, bool asserted);
  void end_of_interrupt(u8 vector);

 private:
  u32 read_register() const;
  void write_register(u32 value);
  void send(unsigned input);
  void serve_level(unsigned input);  // sends if it is asserted, open and not in service

  ApicBus* bus_;
  u32 select_ = 0, id_ = 0;
  u64 entries_[kIoApicInputs] = {};
  bool lines_[kIoApicInputs] = {};
};

}  // namespace pmusim::platform
