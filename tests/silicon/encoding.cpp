// SPDX-License-Identifier: Apache-2.0
// Bytes of an encoding, with its free bits filled in.
#include "encoding.h"

#include <Zydis/Zydis.h>

#include <cstring>

namespace pmusim::silicon {

void emit(const Encoding& e, const FreeBits& f, u8* to) {
  u8 buffer[40] = {};
  unsigned n = 0;
  if (f.segment_prefix) buffer[n++] = f.segment_prefix;
  if (f.address_prefix) buffer[n++] = 0x67;
  for (const u8 p : e.prefixes)
    if (p) buffer[n++] = p;
  if (e.map >= Map::Vex2) {
    buffer[n++] = 0xc4;
    buffer[n++] =
        static_cast<u8>((~f.rex_rxb & 7) << 5 | (static_cast<u8>(e.map) - static_cast<u8>(Map::Vex2) + 1));
    buffer[n++] = static_cast<u8>(e.w << 7 | (~f.vvvv & 15) << 3 | e.vex_l << 2 | e.vex_pp);
  } else {
    if (e.w || f.rex_rxb || f.force_rex) buffer[n++] = static_cast<u8>(0x40 | e.w << 3 | f.rex_rxb);
    if (e.map != Map::One) buffer[n++] = 0x0f;
    if (e.map == Map::Three38) buffer[n++] = 0x38;
    if (e.map == Map::Three3a) buffer[n++] = 0x3a;
  }
  buffer[n++] = e.opcode;
  if (e.has_modrm) {
    buffer[n++] = e.modrm;
    if ((e.modrm & 0xc0) != 0xc0 && (e.modrm & 7) == 4) buffer[n++] = f.sib;
  }
  std::memcpy(buffer + n, f.tail, sizeof f.tail);
  std::memcpy(to, buffer, ZYDIS_MAX_INSTRUCTION_LENGTH);
}

}  // namespace pmusim::silicon
