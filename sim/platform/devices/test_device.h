// SPDX-License-Identifier: Apache-2.0
// pc-testdev, the device that kvm-unit-tests find in QEMU: a 32-bit scratch register at E0H (any size) and
// E8H (the same bytes, taken one by one), "flush this page" at E4H (nothing is cached here), and interrupt
// lines 0-23 at 2000H + line. Not modelled: its memory window at FF000000H.
#pragma once

#include <functional>

#include "platform/devices/register_model.h"

namespace pmusim::platform {

inline constexpr u16 kTestScratchPort = 0xe0, kTestScratchPorts = 12;
inline constexpr u16 kTestLinePort = 0x2000, kTestLinePorts = 24;

class TestScratch final : public RegisterModel {
 public:
  u64 read(u64 offset, unsigned size) override;
  void write(u64 offset, u64 value, unsigned size) override;
  void reset() override { data_ = 0; }
  void archive(Archive& a) override { a(data_); }

 private:
  u32 data_ = 0;
};

class TestLines final : public RegisterModel {
 public:
  std::function<void(unsigned line, bool level)> on_line;
  u64 read(u64, unsigned) override { return ~u64{0}; }
  void write(u64 offset, u64 value, unsigned) override {
    if (on_line) on_line(static_cast<unsigned>(offset), value != 0);
  }
};

}  // namespace pmusim::platform
