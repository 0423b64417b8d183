// SPDX-License-Identifier: Apache-2.0
// Forms: what the core's decoder implements of the whole 64-bit encoding space, one form for each mnemonic,
// opcode, operand kinds and sizes, LOCK and REP. Nothing is listed by hand, so an instruction that the
// decoder learns is a form at once; what cannot be compared stands in a table with its reason. Limits: 64-bit
// mode; redundant prefixes are not forms.
#pragma once

#include <Zydis/Zydis.h>

#include <string>
#include <vector>

#include "base/rng.h"
#include "base/types.h"
#include "core/decode.h"

namespace pmusim::silicon {

enum class Map : u8 { One, Two, Three38, Three3a, Vex2, Vex38, Vex3a };

// The fixed part of an encoding; REX.RXB, registers, addressing, displacement and immediate are free.
struct Encoding {
  u8 prefixes[3] = {};  // legacy, in order; 0: none
  Map map = Map::One;
  u8 opcode = 0;
  bool w = false;
  u8 vex_pp = 0, vex_l = 0;
  bool has_modrm = false;
  u8 modrm = 0;
  bool free_reg = false, free_rm = false;  // these ModRM fields name operands
  bool free_opcode = false;                // its low three bits do
};

struct Form {
  std::string name;
  ZydisMnemonic mnemonic = ZYDIS_MNEMONIC_INVALID;
  ZydisISASet isa = ZYDIS_ISA_SET_INVALID;
  Encoding encoding;
  bool branches = false;  // leaves for somewhere else than the next instruction
  bool locked = false, repeats = false;
  bool loads_segments = false;
  bool io = false;        // string input or output
  bool far = false;       // far transfer or IRET
  bool compares = false;  // reads two memory operands
  bool uses_fx = false;   // x87, MMX or SSE state
};

struct Instruction {
  ZydisDecodedInstruction info;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
  u8 bytes[ZYDIS_MAX_INSTRUCTION_LENGTH];
  u64 address;
  // How it behaves that its operands do not say.
  unsigned length() const { return info.length; }
};

// From bytes at `address`; false if they are no instruction.
bool decode_instruction(Instruction& instruction);

struct Exclusion {
  ZydisMnemonic mnemonic;
  const char* reason;
};
const std::vector<Exclusion>& exclusions();
const char* excluded(ZydisMnemonic mnemonic);  // reason or nullptr

struct FormSet {
  std::vector<Form> forms;
  std::vector<ZydisMnemonic> left_out;  // implemented, but excluded
};
FormSet enumerate_forms(const core::Features& features);

// The CPUID feature that a form needs and this host lacks, or nullptr.
const char* missing_on_host(const Form& form);

// A random instruction of the form at `address`; false if the draw was not of this form (draw again).
bool draw(const Form& form, u64 address, Rng& rng, Instruction& to);

}  // namespace pmusim::silicon
