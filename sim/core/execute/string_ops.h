// SPDX-License-Identifier: Apache-2.0
// String instructions. One call of the handler is one iteration: it updates RSI, RDI and, with a REP prefix,
// RCX only after its last access that can fault; the run loop repeats it.
#pragma once

#include "core/execute/execute.h"

namespace pmusim::core {

enum class StringOp : u8 { Movs, Cmps, Stos, Lods, Scas, Ins, Outs };
enum class Repeat : u8 { None = 0, Rep = 1, Repe = 2, Repne = 3 };  // MicroOp::aux

Handler select_string(StringOp op, unsigned size);

// Before a repeated instruction, and wherever it goes on.
void begin_repeated(Executor& x, const MicroOp& op);
// Ends it, or leaves it for an interrupt.
inline void leave_repeated(CpuState& s) {
  s.repeat_flags = 0;
}
// Leaves it by a fault.
void abandon_repeated(CpuState& s);

// RCX in the address size.
inline u64 repeat_count(const Executor& x, const MicroOp& op) {
  return low_bytes(x.s->gpr[RCX], op.address_size);
}

// After an iteration of a repeated instruction: is it over?
inline bool repeat_done(const Executor& x, const MicroOp& op) {
  if (repeat_count(x, op) == 0) return true;
  const bool zero = x.s->rflags & kZF;
  const Repeat kind = static_cast<Repeat>(op.aux);
  return (kind == Repeat::Repe && !zero) || (kind == Repeat::Repne && zero);
}

}  // namespace pmusim::core
