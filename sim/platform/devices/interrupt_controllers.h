// SPDX-License-Identifier: Apache-2.0
// The interrupt hardware between devices and local APICs, and the timer that belongs to it: two 8259As, an
// I/O APIC and an 8254. On bare metal the machine owns one; in a VM with an in-kernel irqchip the hypervisor
// does. Lines are global system interrupts, wired as PCs do: 0-15 to the 8259As and to the I/O APIC's input
// of the same number (0 to input 2), 16-23 to the I/O APIC alone. The master 8259A's output reaches LINT0 of
// the bootstrap processor as ExtINT messages.
#pragma once

#include <vector>

#include "platform/devices/ioapic.h"
#include "platform/devices/pic.h"
#include "platform/devices/pit.h"
#include "platform/devices/wired_or.h"

namespace pmusim::platform {

class InterruptControllers {
 public:
  InterruptControllers(ApicBus& bus, const DeviceClock& clock);

  Pic master{true, 0xf8}, slave{false, 0xde};  // inputs 0-2, 8 and 13 cannot be level-triggered
  EdgeLevel edge_level{master, slave};
  IoApic io_apic;
  Pit pit;
  SystemControl system_control;

  void set_line(unsigned gsi, bool asserted) { drive(kDevices, gsi, asserted); }
  u8 acknowledge();  // what the processor's INTA cycles read
  void end_of_interrupt(u8 vector) { io_apic.end_of_interrupt(vector); }

  void update() { pit.update(); }
  u64 next_deadline() const { return pit.next_deadline(); }  // nanoseconds, or kNever

  const std::vector<Place>& ports() const { return ports_; }
  const std::vector<Place>& memory() const { return memory_; }
  void reset();
  void archive(Archive& a);        // everything
  void archive_lines(Archive& a);  // what does not belong to a register model

 private:
  enum Source : unsigned { kDevices, kTimer, kSources };
  void drive(Source source, unsigned gsi, bool asserted);

  ApicBus& bus_;
  WiredOr<kSources> lines_;
  const std::vector<Place> ports_, memory_;
};

}  // namespace pmusim::platform
