// SPDX-License-Identifier: Apache-2.0
// The port devices of the PC platform that are not interrupt hardware. One set per physical machine, and one
// per virtual machine in its monitor. Their interrupt lines are joined here and go out by number (global
// system interrupts).
#pragma once

#include <functional>
#include <vector>

#include "platform/devices/acpi_pm.h"
#include "platform/devices/debug_exit.h"
#include "platform/devices/doorbell.h"
#include "platform/devices/fw_cfg.h"
#include "platform/devices/keyboard_controller.h"
#include "platform/devices/pci_config.h"
#include "platform/devices/post_code.h"
#include "platform/devices/register_model.h"
#include "platform/devices/rtc.h"
#include "platform/devices/serial.h"
#include "platform/devices/test_device.h"
#include "platform/devices/wired_or.h"

namespace pmusim::platform {

class PcPorts {
 public:
  explicit PcPorts(const DeviceClock& clock);

  Serial serial;
  DebugExit debug_exit;
  Doorbell doorbell;
  FwCfg fw_cfg;
  TestScratch test_scratch;
  TestLines test_lines;
  Rtc rtc;
  AcpiPm acpi_pm;
  KeyboardController keyboard;
  PciConfig pci_config;
  PostCode post_code;

  std::function<void(unsigned gsi, bool level)> on_line;
  std::function<void()> on_reset, on_power_off;  // of the whole machine

  const std::vector<Place>& places() const { return places_; }
  void reset();
  void archive_lines(Archive& a) { lines_.archive(a); }

 private:
  enum Source : unsigned { kSerial, kTest, kSources };
  void drive(Source source, unsigned gsi, bool level);
  WiredOr<kSources> lines_;
  const std::vector<Place> places_;
};

}  // namespace pmusim::platform
