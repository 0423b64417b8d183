// SPDX-License-Identifier: Apache-2.0
// A random instruction of a form.
#include "form.h"

namespace pmusim::silicon {

bool draw(const Form& form, u16 cs, u64 address, Rng& rng, Instruction& to) {
  const bool long_mode = form.mode == Mode::Long;
  Encoding e = form.encoding;
  FreeBits f;
  if (e.has_modrm) {
    if (e.free_reg) e.modrm = static_cast<u8>((e.modrm & ~0x38) | rng.below(8) << 3);
    if (e.free_rm) {
      e.modrm = static_cast<u8>((e.modrm & ~7) | rng.below(8));
      if ((e.modrm & 0xc0) != 0xc0) e.modrm = static_cast<u8>((e.modrm & 0x3f) | rng.below(3) << 6);
    }
    f.sib = static_cast<u8>(rng.next());
  }
  if (e.free_opcode) e.opcode = static_cast<u8>((e.opcode & ~7) | rng.below(8));
  if (long_mode && rng.below(2)) f.rex_rxb = static_cast<u8>(rng.below(8));
  if (long_mode && rng.below(4) == 0) f.force_rex = true;
  f.vvvv = static_cast<u8>(rng.below(long_mode ? 16 : 8));
  const bool reaches_memory = e.has_modrm && (e.modrm & 0xc0) != 0xc0;
  if (rng.below(8) == 0) f.address_prefix = true;
  if ((reaches_memory || !long_mode) && rng.below(8) == 0) {
    static const u8 segments[] = {0x26, 0x2e, 0x36, 0x3e, 0x65, 0x64};
    f.segment_prefix = segments[rng.below(long_mode ? 6 : 5)];
  }
  // Displacement and immediate: random, small or at a sign boundary.
  const u64 kind = rng.below(4);
  for (u8& b : f.tail) {
    static const u8 edges[] = {0x00, 0x01, 0x7f, 0x80, 0xff, 0x1f, 0x20, 0x40};
    b = kind == 0   ? edges[rng.below(sizeof edges)]
        : kind == 1 ? static_cast<u8>(rng.below(2) * 0xff)
                    : static_cast<u8>(rng.next());
  }
  emit(e, f, to.bytes);
  to.mode = form.mode;
  to.cs = cs;
  to.address = address;
  return decode_instruction(to) && key_of(to) == form.name;
}

}  // namespace pmusim::silicon
