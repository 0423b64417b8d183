// SPDX-License-Identifier: Apache-2.0
// A decoded instruction at its place, and what a form is named after.
#pragma once

#include <Zydis/Zydis.h>

#include <string>

#include "segments.h"

namespace pmusim::silicon {

// The host's vendor: both sides then take instructions for the same.
bool host_is_amd();

struct Instruction {
  ZydisDecodedInstruction info;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
  u8 bytes[ZYDIS_MAX_INSTRUCTION_LENGTH];
  Mode mode = Mode::Long;
  u16 cs = kUserCode;
  u64 address = 0;  // linear

  unsigned length() const { return info.length; }
  // Value of the instruction pointer.
  u64 offset() const {
    const UserSegment* s = find_segment(cs);
    return s ? address - s->base : address;
  }
};

// From its bytes and mode; false if they are no instruction.
bool decode_instruction(Instruction& instruction);

// Prefixes, mnemonic, operand kinds and sizes, opcode, mode: the identity of a form.
std::string key_of(const Instruction& instruction);

// The families that save and restore extended state, without those for supervisors.
inline bool is_xsave(ZydisMnemonic m) {
  return m == ZYDIS_MNEMONIC_XSAVE || m == ZYDIS_MNEMONIC_XSAVE64 || m == ZYDIS_MNEMONIC_XSAVEOPT ||
         m == ZYDIS_MNEMONIC_XSAVEOPT64 || m == ZYDIS_MNEMONIC_XSAVEC || m == ZYDIS_MNEMONIC_XSAVEC64;
}
inline bool is_xrstor(ZydisMnemonic m) {
  return m == ZYDIS_MNEMONIC_XRSTOR || m == ZYDIS_MNEMONIC_XRSTOR64;
}

}  // namespace pmusim::silicon
