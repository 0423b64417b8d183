// SPDX-License-Identifier: Apache-2.0
// What an instruction leaves undefined, by mnemonic and operands, from the instruction pages of the Intel
// SDM, Vol. 2 ("Flags Affected"), as a table: CPUs differ there and the core need not agree with this host.
// The sentences of the table were compared with copies of those pages; those that take_over_unpromised()
// rests on were not, and are marked unverified there.
#pragma once

#include "addressing.h"
#include "arena.h"
#include "form.h"

namespace pmusim::silicon {

// A memory operand that is accessed in parts: x87 environment, state images, PUSHA.
inline bool has_parts(const ZydisDecodedOperand& memory) {
  return memory.size > 80 && (memory.size != 128 || is_stack(memory));
}

struct Undefined {
  u64 flags = 0;
  bool result = false;  // destination and flags: the state is not compared
};
Undefined undefined_after(const Instruction& instruction, const Input& input);

// Takes over from the host's outcome what no manual promises: which byte of a large operand faults, results
// that are approximations, and the like; each with its source.
void take_over_unpromised(const Instruction& instruction, const Input& input, const Outcome& host,
                          Outcome& core);

}  // namespace pmusim::silicon
