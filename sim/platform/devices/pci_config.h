// SPDX-License-Identifier: Apache-2.0
// PCI configuration mechanism #1 at CF8H (address) and CFCH (data) on a bus without devices: every function
// reads all ones. The reset control register shares byte CF9H, as in Intel's chip sets: bit 2 resets.
#pragma once

#include <functional>

#include "platform/devices/register_model.h"

namespace pmusim::platform {

inline constexpr u16 kPciConfigPort = 0xcf8, kPciConfigPorts = 8;

class PciConfig final : public RegisterModel {
 public:
  std::function<void()> on_reset;
  u64 read(u64 offset, unsigned size) override {
    if (offset == 0 && size == 4) return address_;
    return offset == 1 && size == 1 ? 0 : ~u64{0};
  }
  void write(u64 offset, u64 value, unsigned size) override {
    if (offset == 0 && size == 4) address_ = static_cast<u32>(value);
    if (offset == 1 && size == 1 && (value & 4) && on_reset) on_reset();
  }
  void reset() override { address_ = 0; }
  void archive(Archive& a) override { a(address_); }

 private:
  u32 address_ = 0;
};

}  // namespace pmusim::platform
