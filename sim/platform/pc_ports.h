// SPDX-License-Identifier: Apache-2.0
// The port devices of the PC platform that are not interrupt hardware. One set per physical machine, and one
// per virtual machine in its monitor. Their interrupt lines are joined here and go out by number (global
// system interrupts).
#pragma once

#include <functional>
#include <vector>

#include "platform/acpi_pm.h"
#include "platform/debug_exit.h"
#include "platform/doorbell.h"
#include "platform/fw_cfg.h"
#include "platform/keyboard_controller.h"
#include "platform/pci_config.h"
#include "platform/post_code.h"
#include "platform/register_model.h"
#include "platform/rtc.h"
#include "platform/serial.h"
#include "platform/test_device.h"
#include "platform/wired_or.h"

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
