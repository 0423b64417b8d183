// SPDX-License-Identifier: Apache-2.0
// Wiring of 8259As, I/O APIC and 8254.
#include "platform/devices/interrupt_controllers.h"

namespace pmusim::platform {
namespace {
constexpr unsigned kCascade = 2, kIsaLines = 16, kTimerInput = 2;
}

InterruptControllers::InterruptControllers(ApicBus& bus, const DeviceClock& clock)
    : io_apic(bus),
      pit(clock),
      system_control(pit, clock),
      bus_(bus),
      ports_{{"pic0", kPicPort0, kPicPorts, &master},
             {"pic1", kPicPort1, kPicPorts, &slave},
             {"elcr", kElcrPort, kElcrPorts, &edge_level},
             {"pit", kPitPort, kPitPorts, &pit},
             {"system_control", kSystemControlPort, kSystemControlPorts, &system_control}},
      memory_{{"ioapic", kIoApicBase, kIoApicSize, &io_apic}} {
  slave.on_output = [this](bool level) { master.set_input(kCascade, level); };
  master.on_output = [this](bool level) {
    ApicMessage m;
    m.delivery = ApicDelivery::ExtInt;
    m.deassert = !level;
    m.source = kNoApic;
    bus_.send(m);
  };
  pit.on_interrupt = [this](bool level) { drive(kTimer, kPitIrq, level); };
}

void InterruptControllers::drive(Source source, unsigned gsi, bool asserted) {
  if (gsi >= kIoApicInputs || !lines_.set(source, gsi, asserted)) return;
  if (gsi < 8 && gsi != kCascade) master.set_input(gsi, asserted);
  if (gsi >= 8 && gsi < kIsaLines) slave.set_input(gsi - 8, asserted);
  if (gsi != kTimerInput) io_apic.set_input(gsi == kPitIrq ? kTimerInput : gsi, asserted);
}

u8 InterruptControllers::acknowledge() {
  const unsigned input = master.acknowledge();
  return input == kCascade ? slave.vector(slave.acknowledge()) : master.vector(input);
}

void InterruptControllers::reset() {
  for (const Place& p : ports_) p.model->reset();
  io_apic.reset();
  lines_.reset();
}

void InterruptControllers::archive(Archive& a) {
  for (const Place& p : ports_) p.model->archive(a);
  io_apic.archive(a);
  archive_lines(a);
}

void InterruptControllers::archive_lines(Archive& a) {
  lines_.archive(a);
}

}  // namespace pmusim::platform
