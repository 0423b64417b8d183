// SPDX-License-Identifier: Apache-2.0
// Decoder: instruction bytes to micro-ops. An undefined encoding becomes a micro-op that raises #UD, one that
// is defined but not implemented a micro-op that throws Unimplemented; both only when executed.
#pragma once

#include "core/execute/execute.h"
#include "core/state/op.h"
#include "core/timing/timing_op.h"

namespace pmusim::core {

inline constexpr unsigned kMaxInstructionBytes = 15;

struct DecodedInstruction {
  MicroOp op;  // with the exact-flags handler
  Operation what;
  Handler fast = nullptr;  // may be used while the flags it writes are dead
};

inline constexpr unsigned kRealMode = 1;  // virtual-8086 mode too

// What an encoding means depends on the features that there are, and on who made the CPU.
struct Dialect {
  Features features;
  bool amd = false;
};

// mode: 2, 4 or 8 (bytes of the code segment's default size; 8 is 64-bit code), and kRealMode where it is.
// False: more bytes are needed. `timing`, if given, is filled as well.
bool decode(const u8* bytes, unsigned available, u64 rip, unsigned mode, const Dialect& dialect,
            DecodedInstruction& to, TimingOp* timing = nullptr);

}  // namespace pmusim::core
