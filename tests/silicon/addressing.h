// SPDX-License-Identifier: Apache-2.0
// Where the memory operands of a decoded instruction lie in a state, and registers chosen so that one lies
// where it is wanted. What is a stack operand is read off the decoded operands: its address has the size
// that SS.B says, all others the instruction's.
#pragma once

#include "arena.h"
#include "base/rng.h"
#include "instruction.h"

namespace pmusim::silicon {

bool is_general(ZydisRegister r);
unsigned number_of(ZydisRegister r);
u64 value_of(ZydisRegister r, const State& s);

inline bool is_memory(const ZydisDecodedOperand& o) {
  return o.type == ZYDIS_OPERAND_TYPE_MEMORY && o.mem.type == ZYDIS_MEMOP_TYPE_MEM;
}
// Implied, and addressed by the stack or frame pointer: PUSH, CALL, RET, ENTER, LEAVE, ...
bool is_stack(const ZydisDecodedOperand& o);
inline bool writes(const ZydisDecodedOperand& o) {
  return o.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;
}
inline bool canonical(u64 a) {
  return static_cast<u64>(static_cast<s64>(a << 16) >> 16) == a;
}

struct Address {
  u64 offset = 0, linear = 0;
  const UserSegment* segment = nullptr;  // not in 64-bit mode
};

class Addressing {
 public:
  Addressing(u64 fs_base, u64 gs_base) : fs_base_(fs_base), gs_base_(gs_base) {}

  // Of the address, in bits.
  unsigned width(const Instruction& i, const ZydisDecodedOperand& o, const State& s) const;
  Address at(const Instruction& i, const ZydisDecodedOperand& o, const State& s) const;
  Address stack(const Instruction& i, const State& s) const;
  // Sets free registers so that the operand is at `target`, which fails where its width does not reach;
  // `pinned` has a bit for each register that others depend on. Bits beyond the width are random.
  void solve(const Instruction& i, const ZydisDecodedOperand& o, u64 target, unsigned& pinned, Rng& rng,
             State& s) const;
  u64 base(Mode mode, ZydisRegister segment, const State& s) const;

 private:
  u64 fs_base_, gs_base_;
};

}  // namespace pmusim::silicon
