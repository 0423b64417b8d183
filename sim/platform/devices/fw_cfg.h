// SPDX-License-Identifier: Apache-2.0
// QEMU's firmware configuration: a 16-bit selector at 510H and a data byte at 511H (QEMU, "fw_cfg" in its
// specifications). Keys: 0 signature, 1 revision (no DMA), 3 RAM size, 5 CPU count, fH most CPUs, 11H RAM
// limit as kvm-unit-tests uses it (0: none), 19H an empty file directory. Others, and what lies beyond an
// item, read 0.
#pragma once

#include "platform/devices/register_model.h"

namespace pmusim::platform {

inline constexpr u16 kFwCfgPort = 0x510, kFwCfgPorts = 2;

class FwCfg final : public RegisterModel {
 public:
  u32 cpus = 1;
  u64 memory = 0, memory_limit = 0;
  u64 read(u64 offset, unsigned size) override;
  void write(u64 offset, u64 value, unsigned size) override;
  void reset() override { key_ = 0, position_ = 0; }
  void archive(Archive& a) override { a(key_, position_, cpus, memory, memory_limit); }

 private:
  u64 item() const;  // little-endian, at most 8 bytes
  u16 key_ = 0;
  u32 position_ = 0;
};

}  // namespace pmusim::platform
