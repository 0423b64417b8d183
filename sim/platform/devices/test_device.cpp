// SPDX-License-Identifier: Apache-2.0
// pc-testdev's scratch register.
#include "platform/devices/test_device.h"

#include "base/bits.h"

namespace pmusim::platform {
namespace {
constexpr u64 kFlush = 4, kBytes = 8;
}

u64 TestScratch::read(u64 offset, unsigned size) {
  if (offset >= kFlush && offset < kBytes) return ~u64{0};
  return static_cast<u64>(data_) >> (8 * (offset & 3)) & mask(8 * size);
}

void TestScratch::write(u64 offset, u64 value, unsigned size) {
  if (offset >= kFlush && offset < kBytes) return;
  const unsigned shift = 8 * static_cast<unsigned>(offset & 3);
  const u32 bits = static_cast<u32>(mask(8 * size) << shift);
  data_ = (data_ & ~bits) | (static_cast<u32>(value << shift) & bits);
}

}  // namespace pmusim::platform
