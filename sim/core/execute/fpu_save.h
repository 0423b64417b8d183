// SPDX-License-Identifier: Apache-2.0
// The legacy region that FXSAVE and the XSAVE family share (SDM Vol. 1, "FXSAVE Area"): 512 bytes, x87 state
// in bytes 0 to 23 and 32 to 159, MXCSR and its mask in 24 to 31, XMM registers from 160.
#pragma once

#include "core/execute/x87.h"

namespace pmusim::core {

inline constexpr unsigned kMxcsrAt = 24, kX87RegistersAt = 32, kXmmAt = 160, kLegacyEnd = kXmmAt + 256;

template <class T>
void put_at(u8* image, unsigned at, T value) {
  std::memcpy(image + at, &value, sizeof(T));
}
template <class T>
T get_at(const u8* image, unsigned at) {
  T value;
  std::memcpy(&value, image + at, sizeof(T));
  return value;
}

inline unsigned xmm_bytes(const Executor& x) {
  return x.code64 ? 256 : 128;
}
// wide: REX.W, 64-bit pointers.
void put_x87(const Executor& x, u8* image, bool wide);
void take_x87(Executor& x, const u8* image, bool wide);
void put_mxcsr(const Executor& x, u8* image);

}  // namespace pmusim::core
