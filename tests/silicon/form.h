// SPDX-License-Identifier: Apache-2.0
// Forms: what the core's decoder implements of the whole encoding space of each mode, one form for each
// mnemonic, opcode, operand kinds and sizes, LOCK and REP. Nothing is listed by hand, so an instruction that
// the decoder learns is a form at once; what cannot be compared stands in a table with its reason. Redundant
// prefixes are not forms.
#pragma once

#include <Zydis/Zydis.h>

#include <string>
#include <vector>

#include "base/rng.h"
#include "core/decode/decode.h"
#include "encoding.h"
#include "instruction.h"

namespace pmusim::silicon {

struct Form {
  std::string name;
  ZydisMnemonic mnemonic = ZYDIS_MNEMONIC_INVALID;
  ZydisISASet isa = ZYDIS_ISA_SET_INVALID;
  Mode mode = Mode::Long;
  Encoding encoding;
  bool branches = false;  // leaves for somewhere else than the next instruction
  bool locked = false, repeats = false;
  bool loads_segments = false;
  bool io = false;        // string input or output
  bool far = false;       // far transfer or IRET
  bool compares = false;  // reads two memory operands
  bool uses_fx = false;   // x87, MMX or SSE state
};

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
bool draw(const Form& form, u16 cs, u64 address, Rng& rng, Instruction& to);

}  // namespace pmusim::silicon
