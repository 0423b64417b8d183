// SPDX-License-Identifier: Apache-2.0
// Addresses of memory operands, and register values that make an operand lie where it is wanted.
#include "addressing.h"

#include <algorithm>

#include "core/state/state.h"

namespace pmusim::silicon {
namespace {

bool is_bit_string(const Instruction& i) {
  const ZydisMnemonic m = i.info.mnemonic;
  return (m == ZYDIS_MNEMONIC_BT || m == ZYDIS_MNEMONIC_BTS || m == ZYDIS_MNEMONIC_BTR ||
          m == ZYDIS_MNEMONIC_BTC) &&
         i.operands[1].type == ZYDIS_OPERAND_TYPE_REGISTER;
}

u64 mask_of(unsigned bits) {
  return ~u64{0} >> (64 - bits);
}

core::Seg segment_of(ZydisRegister r) {
  switch (r) {
    case ZYDIS_REGISTER_ES:
      return core::ES;
    case ZYDIS_REGISTER_CS:
      return core::CS;
    case ZYDIS_REGISTER_SS:
      return core::SS;
    case ZYDIS_REGISTER_FS:
      return core::FS;
    case ZYDIS_REGISTER_GS:
      return core::GS;
    default:
      return core::DS;
  }
}

unsigned stack_width(Mode mode, const State& s) {
  if (mode == Mode::Long) return 64;
  const UserSegment* stack = find_segment(s.selectors[core::SS]);
  return stack && stack->big ? 32 : 16;
}

}  // namespace

bool is_general(ZydisRegister r) {
  const ZydisRegisterClass c = ZydisRegisterGetClass(r);
  return c == ZYDIS_REGCLASS_GPR8 || c == ZYDIS_REGCLASS_GPR16 || c == ZYDIS_REGCLASS_GPR32 ||
         c == ZYDIS_REGCLASS_GPR64;
}

unsigned number_of(ZydisRegister r) {
  return static_cast<unsigned>(
      ZydisRegisterGetId(ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, r)));
}

u64 value_of(ZydisRegister r, const State& s) {
  const u64 whole = s.gpr[number_of(r)];
  switch (ZydisRegisterGetClass(r)) {
    case ZYDIS_REGCLASS_GPR8:
      return r >= ZYDIS_REGISTER_AH && r <= ZYDIS_REGISTER_BH ? whole >> 8 & 0xff : whole & 0xff;
    case ZYDIS_REGCLASS_GPR16:
      return whole & 0xffff;
    case ZYDIS_REGCLASS_GPR32:
      return whole & 0xffffffff;
    default:
      return whole;
  }
}

bool is_stack(const ZydisDecodedOperand& o) {
  if (!is_memory(o) || o.visibility != ZYDIS_OPERAND_VISIBILITY_HIDDEN || !is_general(o.mem.base))
    return false;
  const unsigned n = number_of(o.mem.base);
  return n == core::RSP || n == core::RBP;
}

unsigned Addressing::width(const Instruction& i, const ZydisDecodedOperand& o, const State& s) const {
  return is_stack(o) ? stack_width(i.mode, s) : i.info.address_width;
}

u64 Addressing::base(Mode mode, ZydisRegister r, const State& s) const {
  if (mode == Mode::Long) return r == ZYDIS_REGISTER_FS ? fs_base_ : r == ZYDIS_REGISTER_GS ? gs_base_ : 0;
  const UserSegment* u = find_segment(s.selectors[segment_of(r)]);
  return u ? u->base : 0;
}

Address Addressing::at(const Instruction& i, const ZydisDecodedOperand& o, const State& s) const {
  const ZydisDecodedOperandMem& m = o.mem;
  const unsigned bits = width(i, o, s);
  u64 a = m.disp.has_displacement ? static_cast<u64>(m.disp.value) : 0;
  if (m.base == ZYDIS_REGISTER_RIP || m.base == ZYDIS_REGISTER_EIP)
    a += i.address + i.length();
  else if (is_stack(o))
    a += s.gpr[number_of(m.base)];
  else if (m.base != ZYDIS_REGISTER_NONE)
    a += value_of(m.base, s);
  if (m.index != ZYDIS_REGISTER_NONE) a += value_of(m.index, s) * std::max<u64>(m.scale, 1);
  if (is_bit_string(i) && o.visibility != ZYDIS_OPERAND_VISIBILITY_HIDDEN) {
    const unsigned size = i.operands[1].size;
    const s64 offset = static_cast<s64>(value_of(i.operands[1].reg.value, s) << (64 - size)) >> (64 - size);
    a += static_cast<u64>(offset >> 3 & -static_cast<s64>(size / 8));
  }
  Address to;
  to.offset = a & mask_of(bits);
  to.linear = to.offset + base(i.mode, m.segment, s);
  if (i.mode != Mode::Long) {
    to.linear &= 0xffffffff;
    to.segment = find_segment(s.selectors[segment_of(m.segment)]);
  }
  return to;
}

Address Addressing::stack(const Instruction& i, const State& s) const {
  Address to;
  to.offset = s.gpr[core::RSP] & mask_of(stack_width(i.mode, s));
  to.linear = to.offset + base(i.mode, ZYDIS_REGISTER_SS, s);
  if (i.mode != Mode::Long) {
    to.linear &= 0xffffffff;
    to.segment = find_segment(s.selectors[core::SS]);
  }
  return to;
}

void Addressing::solve(const Instruction& i, const ZydisDecodedOperand& o, u64 target, unsigned& pinned,
                       Rng& rng, State& s) const {
  const ZydisDecodedOperandMem& m = o.mem;
  const unsigned bits = width(i, o, s);
  const u64 mask = mask_of(bits), whole = mask_of(i.mode == Mode::Long ? 64 : 32);
  const u64 want =
      target - base(i.mode, m.segment, s) - (m.disp.has_displacement ? static_cast<u64>(m.disp.value) : 0);
  const auto put = [&](ZydisRegister r, u64 v) {
    if (bits < 64) v = (v & mask) | (rng.below(2) ? rng.next() & ~mask & whole : 0);
    s.gpr[number_of(r)] = v;
  };
  const auto free = [&](ZydisRegister r) {
    return is_general(r) && ZydisRegisterGetClass(r) != ZYDIS_REGCLASS_GPR8 && !(pinned >> number_of(r) & 1);
  };
  const u64 scale = std::max<u64>(m.scale, 1);
  const auto divided = [&](u64 v, u64 by) {
    return bits < 64 ? (v & mask) / by : static_cast<u64>(static_cast<s64>(v) / static_cast<s64>(by));
  };
  if (free(m.base)) {
    if (m.base == m.index)
      put(m.base, divided(want, 1 + scale));
    else
      put(m.base, want - (m.index != ZYDIS_REGISTER_NONE ? value_of(m.index, s) * scale : 0));
  } else if (free(m.index)) {
    put(m.index, divided(want - (is_general(m.base) ? value_of(m.base, s) : 0), scale));
  }
  for (const ZydisRegister r : {m.base, m.index})
    if (is_general(r)) pinned |= 1u << number_of(r);
}

}  // namespace pmusim::silicon
