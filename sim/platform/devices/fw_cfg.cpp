// SPDX-License-Identifier: Apache-2.0
// fw_cfg's data.
#include "platform/devices/fw_cfg.h"

namespace pmusim::platform {
namespace {
constexpr u16 kSignature = 0, kRevision = 1, kRamSize = 3, kCpus = 5, kMostCpus = 0xf, kRamLimit = 0x11;
constexpr u64 kQemu = 'Q' | 'E' << 8 | 'M' << 16 | 'U' << 24;
}  // namespace

u64 FwCfg::item() const {
  switch (key_) {
    case kSignature:
      return kQemu;
    case kRevision:
      return 1;
    case kRamSize:
      return memory;
    case kCpus:
    case kMostCpus:
      return cpus;
    case kRamLimit:
      return memory_limit;
    default:
      return 0;
  }
}

void FwCfg::write(u64 offset, u64 value, unsigned) {
  if (offset != 0) return;
  key_ = static_cast<u16>(value);
  position_ = 0;
}

u64 FwCfg::read(u64 offset, unsigned size) {
  if (offset != 1) return 0;
  u64 value = 0;
  for (unsigned i = 0; i < size; ++i, ++position_)
    if (position_ < 8) value |= (item() >> (8 * position_) & 0xff) << (8 * i);
  return value;
}

}  // namespace pmusim::platform
