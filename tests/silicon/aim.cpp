// SPDX-License-Identifier: Apache-2.0
// Displacements, branch targets and vectors of instructions that have no register to aim with.
#include <cstring>

#include "generator.h"

namespace pmusim::silicon {

bool Generator::aim(Instruction& i) {
  ZydisDecodedInstruction& info = i.info;
  const auto patch = [&](unsigned offset, unsigned bits, u64 v) {
    std::memcpy(i.bytes + offset, &v, bits / 8);
  };
  bool again = false;
  for (unsigned n = 0; n < info.operand_count; ++n) {
    const ZydisDecodedOperand& o = i.operands[n];
    if (!is_memory(o) || is_general(o.mem.base) || is_general(o.mem.index) || !info.raw.disp.size) continue;
    u64 at = kData + 0x400 + rng_.below(0x1700);
    if (rng_.below(2)) at &= ~u64{15};
    if (rng_.below(8) == 0) at = rng_.below(2) ? kReadOnly + rng_.below(2048) / 16 * 16 : kUnmapped;
    u64 displacement = at - addressing_.base(Mode::Long, o.mem.segment, {});
    if (i.mode != Mode::Long)
      displacement = near_offset(at, info.address_width == 16 || rng_.below(2) ? 0x17 : kUserData);
    if (o.mem.base != ZYDIS_REGISTER_NONE) displacement -= i.address + info.length;
    patch(info.raw.disp.offset, info.raw.disp.size, displacement);
    again = true;
  }
  if (info.raw.imm[0].is_relative) {
    u64 to = kLanding + rng_.below(kPage);
    if (rng_.below(8) == 0) to = kUnmapped + rng_.below(4096);
    const u64 next = i.address + info.length;
    if (info.raw.imm[0].size == 8) {
      to = next + rng_.below(240) - 120;
      if (to >= i.address && to < next) to = next;
    }
    patch(info.raw.imm[0].offset, info.raw.imm[0].size, to - next);
    again = true;
  }
  if (i.operands[0].type == ZYDIS_OPERAND_TYPE_POINTER) {
    const u16 to = values_.selector();
    const UserSegment* segment = find_segment(to);
    patch(info.raw.imm[0].offset, info.raw.imm[0].size, landing(i.mode) - (segment ? segment->base : 0));
    patch(info.raw.imm[1].offset, info.raw.imm[1].size, to);
    again = true;
  }
  if (info.mnemonic == ZYDIS_MNEMONIC_RET && info.raw.imm[0].size) {  // the stack stays inside the arena
    i.bytes[info.raw.imm[0].offset + 1] &= 3;
    again = true;
  }
  if (info.mnemonic == ZYDIS_MNEMONIC_INT && i.bytes[info.raw.imm[0].offset] == 0x80)  // Linux's system call
    return false;
  if (!again) return true;
  return decode_instruction(i);
}

}  // namespace pmusim::silicon
