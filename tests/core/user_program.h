// SPDX-License-Identifier: Apache-2.0
// Code at CPL 3, 64-bit and 32-bit, whose faults tell which they were.
#pragma once

#include "program.h"

namespace pmusim::core::test {

inline constexpr u64 kHandler = 0x110000;

// CPL 3 code; every fault arrives at kHandler + 16 x vector, on the stack that the TSS names.
struct UserProgram : Program {
  UserProgram() {
    put(kTssAt + 4, kInnerStack);
    put(kTssAt + 0x66, 0x68, 2);  // no I/O permission bit map
    load_tss();
    for (unsigned v = 0; v < 32; ++v)
      gate64(static_cast<u8>(v), kCode64, kHandler + v * 16, v == kBP ? 0xee : 0x8e);
    user();
    s.gpr[RSP] = kStack;
  }
  // Vector of the event that the code ends in, or -1.
  int vector_of(const std::vector<u8>& bytes, u64 instructions = 1) {
    code(bytes);
    start();
    run(instructions);
    return s.cpl == 0 ? static_cast<int>((s.rip - kHandler) / 16) : -1;
  }
};

// 32-bit code at kHandler - 0x1000 with a writable segment of 64 kB in DS, ES and SS.
struct CompatProgram : UserProgram {
  CompatProgram() {
    s.seg[CS] = {0, 0xffffffff, 0xc0fb, kUserCode32 | 3};
    for (const Seg i : {DS, ES, SS}) s.seg[i] = {0x200000, 0xffff, 0x40f3, kUserData | 3};
    s.gpr[RSP] = 0x8000;
  }
};

}  // namespace pmusim::core::test
