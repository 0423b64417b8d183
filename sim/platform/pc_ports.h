// SPDX-License-Identifier: Apache-2.0
// The few port devices that bare-metal test images use (guest programs, kvm-unit-tests): serial line, exit
// port, fw_cfg selector, interrupt-controller masks, and the doorbell of conformance cases. One set per
// physical machine and one per virtual machine. fw_cfg: keys 5 (CPU count) and 11h (RAM limit, 0 = none)
// only; other keys read 0. 8259: masks are stored, nothing is ever interrupted through it.
#pragma once

#include <functional>
#include <vector>

#include "platform/register_model.h"
#include "platform/serial.h"

namespace pmusim::platform {

// isa-debug-exit: a write of v ends the run with status 2 v + 1.
inline constexpr u16 kExitPort = 0xf4, kExitPorts = 4;
class DebugExit final : public RegisterModel {
 public:
  std::function<void(u32 status)> on_exit;
  u64 read(u64, unsigned) override { return ~u64{0}; }
  void write(u64, u64 value, unsigned) override {
    if (on_exit) on_exit(static_cast<u32>(2 * value + 1));
  }
};

// A 32-bit write asks the host to perform a step; a read returns that step's result. Nobody there: all ones.
inline constexpr u16 kDoorbellPort = 0xd0b0, kDoorbellPorts = 4;
class Doorbell final : public RegisterModel {
 public:
  std::function<u32(u32 step)> on_ring;
  u64 read(u64, unsigned) override { return on_ring ? result_ : ~u64{0}; }
  void write(u64, u64 value, unsigned) override {
    if (on_ring) result_ = on_ring(static_cast<u32>(value));
  }
  void reset() override { result_ = ~0u; }
  void archive(Archive& a) override { a(result_); }

 private:
  u32 result_ = ~0u;
};

inline constexpr u16 kFwCfgPort = 0x510, kFwCfgPorts = 2;
class FwCfg final : public RegisterModel {
 public:
  u32 cpus = 1;
  u64 memory_limit = 0;
  u64 read(u64 offset, unsigned size) override;
  void write(u64 offset, u64 value, unsigned size) override;
  void reset() override { key_ = 0, position_ = 0; }
  void archive(Archive& a) override { a(key_, position_, cpus, memory_limit); }

 private:
  u16 key_ = 0;
  u32 position_ = 0;
};

inline constexpr u16 kPicPort0 = 0x20, kPicPort1 = 0xa0, kPicPorts = 2;
class PicMask final : public RegisterModel {
 public:
  u64 read(u64 offset, unsigned) override { return offset == 1 ? mask_ : 0; }
  void write(u64 offset, u64 value, unsigned) override {
    if (offset == 1) mask_ = static_cast<u8>(value);
  }
  void reset() override { mask_ = 0; }
  void archive(Archive& a) override { a(mask_); }

 private:
  u8 mask_ = 0;
};

class PcPorts {
 public:
  Serial serial;
  DebugExit debug_exit;
  Doorbell doorbell;
  FwCfg fw_cfg;
  PicMask pic[2];

  struct Place {
    const char* name;
    u16 port, count;
    RegisterModel* model;
  };
  std::vector<Place> places();
  // For a virtual machine's I/O exits. Unclaimed: reads all ones, false.
  bool read(u16 port, unsigned size, u64& value);
  bool write(u16 port, unsigned size, u64 value);
  void reset();
  void archive(Archive& a);

 private:
  RegisterModel* find(u16 port, unsigned size, u64& offset);
};

}  // namespace pmusim::platform
