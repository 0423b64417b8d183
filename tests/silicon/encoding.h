// SPDX-License-Identifier: Apache-2.0
// The fixed and the free part of an instruction's encoding, and the bytes that they make.
#pragma once

#include "base/types.h"

namespace pmusim::silicon {

enum class Map : u8 { One, Two, Three38, Three3a, Vex2, Vex38, Vex3a };

// The fixed part; REX.RXB, registers, addressing, displacement and immediate are free.
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

struct FreeBits {
  u8 rex_rxb = 0;
  bool force_rex = false;
  u8 vvvv = 0;
  bool address_prefix = false;
  u8 segment_prefix = 0;
  u8 sib = 0x24;
  u8 tail[12] = {};
};

// Always ZYDIS_MAX_INSTRUCTION_LENGTH bytes: the decoder takes what it needs. (In 16-bit addressing, which
// has no SIB byte, the byte is one of the displacement's.)
void emit(const Encoding& fixed, const FreeBits& free, u8* to);

}  // namespace pmusim::silicon
