// SPDX-License-Identifier: Apache-2.0
// A program of SSE and x87 instructions whose faults arrive at handlers that tell the vector.
#pragma once

#include <array>

#include "program.h"

namespace pmusim::core::test {

struct VectorProgram : Program {
  static constexpr u64 kHandlers = 0x6000;

  VectorProgram() {
    s.cr4 |= kCr4Osfxsr | kCr4Osxmmexcpt;
    core.set_state(&s);
    for (unsigned v = 0; v < 32; ++v) gate64(static_cast<u8>(v), kCode64, kHandlers + v);
  }

  // Executes one instruction at kCode; the vector of its fault, or 0.
  unsigned execute(const std::vector<u8>& bytes) {
    code(bytes);
    s.rip = kCode;
    s.gpr[RSP] = kStack;
    core.set_state(&s);
    run(1);
    if (s.rip >= kHandlers && s.rip < kHandlers + 32) return static_cast<unsigned>(s.rip - kHandlers);
    if (s.rip != kCode + bytes.size()) throw std::runtime_error("neither completed nor faulted");
    return 0;
  }
  // A fault's error code and the address that it pushed.
  u64 error_code() const { return get(s.gpr[RSP]); }
  u64 pushed_rip(bool with_error_code) const { return get(s.gpr[RSP] + (with_error_code ? 8 : 0)); }

  void set_xmm(unsigned n, u64 low, u64 high = 0) {
    s.fpu.xmm[n][0] = low;
    s.fpu.xmm[n][1] = high;
  }
  bool xmm_is(unsigned n, u64 low, u64 high) const {
    return s.fpu.xmm[n][0] == low && s.fpu.xmm[n][1] == high;
  }
};

}  // namespace pmusim::core::test
