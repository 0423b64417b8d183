// SPDX-License-Identifier: Apache-2.0
// The set of port devices.
#include "platform/devices/pc_ports.h"

namespace pmusim::platform {

PcPorts::PcPorts(const DeviceClock& clock)
    : rtc(clock),
      acpi_pm(clock),
      places_{{"serial", kSerialPort, kSerialPorts, &serial},
              {"debug_exit", kExitPort, kExitPorts, &debug_exit},
              {"doorbell", kDoorbellPort, kDoorbellPorts, &doorbell},
              {"fw_cfg", kFwCfgPort, kFwCfgPorts, &fw_cfg},
              {"test_scratch", kTestScratchPort, kTestScratchPorts, &test_scratch},
              {"test_lines", kTestLinePort, kTestLinePorts, &test_lines},
              {"rtc", kRtcPort, kRtcPorts, &rtc},
              {"acpi_pm", kAcpiPmPort, kAcpiPmPorts, &acpi_pm},
              {"keyboard", kKeyboardCommandPort, kKeyboardPorts, &keyboard},
              {"pci_config", kPciConfigPort, kPciConfigPorts, &pci_config},
              {"post_code", kPostCodePort, kPostCodePorts, &post_code}} {
  serial.on_interrupt = [this](bool level) { drive(kSerial, kSerialIrq, level); };
  test_lines.on_line = [this](unsigned line, bool level) { drive(kTest, line, level); };
  keyboard.on_reset = pci_config.on_reset = [this] {
    if (on_reset) on_reset();
  };
  acpi_pm.on_power_off = [this] {
    if (on_power_off) on_power_off();
  };
}

void PcPorts::drive(Source source, unsigned gsi, bool level) {
  if (lines_.set(source, gsi, level) && on_line) on_line(gsi, level);
}

void PcPorts::reset() {
  for (const Place& p : places_) p.model->reset();
  lines_.reset();
}

}  // namespace pmusim::platform
