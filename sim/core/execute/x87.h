// SPDX-License-Identifier: Apache-2.0
// x87 helpers that execution and state save share.
#pragma once

#include "core/execute/vector.h"

namespace pmusim::core {

inline X87Register& st(FpuState& f, unsigned i) {
  return f.r[(f.top() + i) & 7];
}

// ES and B follow the flags and masks whenever software changes either.
inline void update_summary(FpuState& f) {
  const bool pending = f.status & ~f.control & kFpExceptions;
  f.status =
      static_cast<u16>(pending ? f.status | kFswSummary | kFswBusy : f.status & ~(kFswSummary | kFswBusy));
}
inline void set_control(FpuState& f, u16 value) {
  f.control = static_cast<u16>((value & 0x1f7f) | 0x40);  // bit 6 reads 1
}
inline void initialize(FpuState& f) {  // FNINIT: registers keep their contents
  f.control = kFcwInit;
  f.status = f.opcode = 0;
  f.instruction = f.operand = 0;
  f.tags = 0;
}

}  // namespace pmusim::core
