// SPDX-License-Identifier: Apache-2.0
#include "generator.h"

#include <algorithm>
#include <cstring>

#include "core/state.h"
#include "undefined.h"

namespace pmusim::silicon {
namespace {

using core::RAX, core::RBP, core::RBX, core::RCX, core::RDI, core::RDX, core::RSI, core::RSP;

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

bool is_access(const ZydisDecodedOperand& o) {
  return o.type == ZYDIS_OPERAND_TYPE_MEMORY && o.mem.type == ZYDIS_MEMOP_TYPE_MEM;
}

bool canonical(u64 a) {
  return static_cast<u64>(static_cast<s64>(a << 16) >> 16) == a;
}

// An access at `a`, and what lies some kilobytes around it, is inside the arena, or faults without an
// address.
bool harmless(u64 a) {
  constexpr u64 margin = 1 << 20;
  if (a >= kArena + margin && a < kArena + kArenaSize - margin) return true;
  return !canonical(a) && !canonical(a - 0x10000) && !canonical(a + 0x10000);
}

bool is_bit_string(ZydisMnemonic m) {
  return m == ZYDIS_MNEMONIC_BT || m == ZYDIS_MNEMONIC_BTS || m == ZYDIS_MNEMONIC_BTR ||
         m == ZYDIS_MNEMONIC_BTC;
}

void put_bytes(u8* at, u64 v, unsigned bytes) {
  std::memcpy(at, &v, bytes);
}

// Writes into whatever patches cover these bytes (they may overlap); false if one is covered by none.
bool put_memory(Input& in, u64 address, u64 v, unsigned size) {
  bool all = true;
  for (unsigned n = 0; n < size; ++n) {
    bool covered = false;
    for (Patch& p : in.patches) {
      const u64 offset = address + n - kData - p.offset;
      if (!p.size || offset >= p.size) continue;
      p.bytes[offset] = static_cast<u8>(v >> 8 * n);
      covered = true;
    }
    all &= covered;
  }
  return all;
}

bool is_readable(u64 address) {
  return address + 8 > kData && address < kUnmapped;
}

}  // namespace

u64 Generator::value() {
  static const u64 special[] = {0,
                                1,
                                2,
                                ~u64{0},
                                0x7f,
                                0x80,
                                0xff,
                                0x7fff,
                                0x8000,
                                0xffff,
                                0x7fffffff,
                                0x80000000,
                                0xffffffff,
                                ~u64{0} >> 1,
                                u64{1} << 63,
                                0x00ff00ff00ff00ff,
                                0x8000000080008080,
                                0x2b,
                                0x33,
                                0x23,
                                0x7b,
                                0x10};
  switch (rng_.below(8)) {
    case 0:
    case 1:
      return special[rng_.below(sizeof special / sizeof special[0])];
    case 2:
      return special[rng_.below(sizeof special / sizeof special[0])] + rng_.below(5) - 2;
    case 3:
      return rng_.below(256);
    case 4:
      return rng_.next() >> rng_.below(64);
    default:
      return rng_.next();
  }
}

void Generator::fill_memory(Batch& batch) {
  for (u64 i = 0; i < kDataSize; i += 8) put_bytes(batch.data + i, rng_.next(), 8);
  // Where strings compare equal.
  std::memset(batch.data + 0x600, 0x5a, 0x300);
  std::memset(batch.data + 0xf00, 0x5a, 0x300);
  for (u64 i = 0; i < kPage; i += 8) put_bytes(batch.read_only + i, rng_.next(), 8);
}

u64 Generator::landing() {
  switch (rng_.below(10)) {
    case 0:
      return kUnmapped + rng_.below(0x10000);
    case 1:
      return kData + rng_.below(kDataSize);
    case 2:
      return u64{0x0123} << 48 | rng_.next() >> 16;
    default:
      return kLanding + rng_.below(kPage - 1);
  }
}

u64 Generator::target(const Form& form) {
  // Kernels may slow down processes whose locked accesses cross a cache line: stay inside.
  if (form.locked && rng_.below(16)) return kData + 0x400 + rng_.below(0x1800) / 16 * 16;
  switch (form.locked ? 12 + rng_.below(4) : rng_.below(16)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
    case 5:
    case 6:
      return kData + 0x400 + rng_.below(0x1800) / 16 * 16;
    case 7:
    case 8:
    case 9:
      return kData + 0x400 + rng_.below(0x1800);
    case 10:
      return kData + kPage - 64 + rng_.below(128);  // the boundary of the writable pages
    case 11:
      return kReadOnly - 32 + rng_.below(48);
    case 12:
      return kReadOnly + rng_.below(kPage / 16 - 4) * 16;
    case 13:
      return form.locked ? kUnmapped + rng_.below(256) * 16 : kUnmapped - 32 + rng_.below(48);
    case 14:
      return form.locked ? kData - 4096 + rng_.below(250) * 16 : kData - 32 + rng_.below(48);
    default: {
      const u64 high = 0x4000 + rng_.below(0x8000);  // bits 63:48, neither all 0 nor all 1
      return high << 48 | rng_.next() >> 16 << 4 >> 4;
    }
  }
}

u64 Generator::selector() {
  static const u16 user[] = {0x33, 0x33, 0x33, 0x2b, 0x2b, 0x23, 0x30, 0x28, 0x7b, 0x10, 0, 3, 0xfff3, 0x37};
  return user[rng_.below(sizeof user / sizeof user[0])];
}

u64 Generator::segment_base(const ZydisDecodedOperandMem& m) const {
  return m.segment == ZYDIS_REGISTER_FS ? fs_base_ : m.segment == ZYDIS_REGISTER_GS ? gs_base_ : 0;
}

u64 Generator::effective(const Instruction& i, const ZydisDecodedOperand& o, const State& s) const {
  const ZydisDecodedOperandMem& m = o.mem;
  u64 a = m.disp.has_displacement ? static_cast<u64>(m.disp.value) : 0;
  if (m.base == ZYDIS_REGISTER_RIP || m.base == ZYDIS_REGISTER_EIP)
    a += i.address + i.length();
  else if (m.base != ZYDIS_REGISTER_NONE)
    a += value_of(m.base, s);
  if (m.index != ZYDIS_REGISTER_NONE) a += value_of(m.index, s) * std::max<u64>(m.scale, 1);
  if (is_bit_string(i.info.mnemonic) && i.operands[1].type == ZYDIS_OPERAND_TYPE_REGISTER) {
    const unsigned bits = i.operands[1].size;
    const s64 offset = static_cast<s64>(value_of(i.operands[1].reg.value, s) << (64 - bits)) >> (64 - bits);
    a += static_cast<u64>(offset >> 3 & -static_cast<s64>(bits / 8));
  }
  if (i.info.address_width == 32) a &= 0xffffffff;
  return a + segment_base(m);
}

bool Generator::solve(const Instruction& i, const ZydisDecodedOperandMem& m, u64 target, State& s) {
  const bool narrow = i.info.address_width == 32;
  u64 want = target - segment_base(m) - (m.disp.has_displacement ? static_cast<u64>(m.disp.value) : 0);
  const auto put = [&](ZydisRegister r, u64 v) {
    const unsigned n = number_of(r);
    if (narrow) v = (v & 0xffffffff) | (rng_.below(2) ? rng_.next() << 32 : 0);
    s.gpr[n] = v;
  };
  const auto free = [&](ZydisRegister r) {
    return is_general(r) && ZydisRegisterGetClass(r) != ZYDIS_REGCLASS_GPR8 && !(pinned_ >> number_of(r) & 1);
  };
  const u64 scale = std::max<u64>(m.scale, 1);
  const auto divided = [&](u64 v, u64 by) {
    return narrow ? (v & 0xffffffff) / by : static_cast<u64>(static_cast<s64>(v) / static_cast<s64>(by));
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
    if (is_general(r)) pinned_ |= 1u << number_of(r);
  return true;
}

bool Generator::aim(Instruction& i) {
  ZydisDecodedInstruction& info = i.info;
  const auto patch = [&](unsigned offset, unsigned bits, u64 v) { put_bytes(i.bytes + offset, v, bits / 8); };
  bool again = false;
  for (unsigned n = 0; n < info.operand_count; ++n) {
    const ZydisDecodedOperand& o = i.operands[n];
    if (!is_access(o) || is_general(o.mem.base) || is_general(o.mem.index) || !info.raw.disp.size) continue;
    u64 at = kData + 0x400 + rng_.below(0x1700);
    if (rng_.below(2)) at &= ~u64{15};
    if (rng_.below(8) == 0) at = rng_.below(2) ? kReadOnly + rng_.below(2048) / 16 * 16 : kUnmapped;
    u64 displacement = at - segment_base(o.mem);
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
  if (info.mnemonic == ZYDIS_MNEMONIC_RET && info.raw.imm[0].size) {  // the stack stays inside the arena
    i.bytes[info.raw.imm[0].offset + 1] &= 3;
    again = true;
  }
  if (info.mnemonic == ZYDIS_MNEMONIC_INT && i.bytes[info.raw.imm[0].offset] == 0x80)  // Linux's system call
    return false;
  if (!again) return true;
  return decode_instruction(i);
}

void Generator::fill(u8* to, unsigned size, const State& s) {
  switch (rng_.below(6)) {
    case 0:  // what CMPXCHG and its wide forms compare with
      put_bytes(to, s.gpr[RAX], 8);
      put_bytes(to + 8, s.gpr[RDX], 8);
      if (rng_.below(2)) put_bytes(to + 4, s.gpr[RDX], 4);
      for (unsigned n = 16; n < size; ++n) to[n] = static_cast<u8>(rng_.next());
      break;
    case 1:
      for (unsigned n = 0; n < size; n += 8) put_bytes(to + n, s.gpr[rng_.below(16)], 8);
      break;
    case 2:
    case 3:
      for (unsigned n = 0; n + 16 <= size; n += 16) vector(to + n);
      break;
    default:
      for (unsigned n = 0; n < size; n += 8) put_bytes(to + n, value(), 8);
      break;
  }
}

// Registers that decide what happens, before addresses are chosen.
void Generator::before(const Form& form, const Instruction& i, State& s) {
  const unsigned bits = i.info.operand_width;
  destination_ = landing();
  // Which of two faults comes first is not architecture.
  safe_stack_ = form.far || (form.mnemonic == ZYDIS_MNEMONIC_CALL &&
                             (i.operands[0].type == ZYDIS_OPERAND_TYPE_MEMORY || !canonical(destination_)));
  const u64 narrow = i.info.address_width == 32 ? rng_.next() << 32 : 0;
  if (form.repeats) {
    s.gpr[RCX] = narrow | rng_.below(rng_.below(4) ? 12 : 40);
    // Whether a count of 0 is checked for permission is not architecture.
    if (form.io) s.gpr[RCX] |= 1;
    pinned_ |= 1u << RCX;
  }
  switch (form.mnemonic) {
    case ZYDIS_MNEMONIC_DIV:
    case ZYDIS_MNEMONIC_IDIV: {
      // The upper half small, or the sign of the lower: most quotients then fit.
      const bool is_signed = form.mnemonic == ZYDIS_MNEMONIC_IDIV;
      if (rng_.below(4) == 0) break;
      if (bits == 8) {
        const u64 al = s.gpr[RAX] & 0xff;
        const u64 ah = is_signed && (al & 0x80) ? 0xff : rng_.below(3) ? 0 : rng_.below(16);
        s.gpr[RAX] = (s.gpr[RAX] & ~u64{0xff00}) | ah << 8;
      } else {
        const bool negative = s.gpr[RAX] >> (bits - 1) & 1;
        s.gpr[RDX] = is_signed && negative ? ~u64{0} - rng_.below(3) / 2
                     : rng_.below(3)       ? 0
                                           : value() >> (64 - bits / 2);
      }
      break;
    }
    case ZYDIS_MNEMONIC_LOOP:
    case ZYDIS_MNEMONIC_LOOPE:
    case ZYDIS_MNEMONIC_LOOPNE:
    case ZYDIS_MNEMONIC_JRCXZ:
    case ZYDIS_MNEMONIC_JECXZ:
      if (rng_.below(2)) s.gpr[RCX] = narrow | rng_.below(3);
      break;
    case ZYDIS_MNEMONIC_BT:
    case ZYDIS_MNEMONIC_BTS:
    case ZYDIS_MNEMONIC_BTR:
    case ZYDIS_MNEMONIC_BTC:
      if (i.operands[0].type == ZYDIS_OPERAND_TYPE_MEMORY &&
          i.operands[1].type == ZYDIS_OPERAND_TYPE_REGISTER) {
        const unsigned n = number_of(i.operands[1].reg.value);
        s.gpr[n] = form.locked ? rng_.below(i.operands[1].size) : rng_.below(4096) - 2048;
        if (i.operands[1].size == 32 && rng_.below(2)) s.gpr[n] = (s.gpr[n] & 0xffffffff) | rng_.next() << 32;
      }
      break;
    case ZYDIS_MNEMONIC_ENTER:
      s.gpr[RBP] = rng_.below(8) ? kData + 0x800 + rng_.below(0x800) : target(form);
      pinned_ |= 1u << RBP;
      break;
    case ZYDIS_MNEMONIC_LEAVE:
      s.gpr[RBP] = target(form);
      pinned_ |= 1u << RBP;
      break;
    default:
      break;
  }
}

// Memory that decides what happens.
bool Generator::after(const Form& form, const Instruction& i, Input& in, const u64* addresses,
                      unsigned count) {
  State& s = in.state;
  // A branch to what is there by chance could reach anything.
  const auto put = [&](u64 address, u64 v, unsigned size) {
    return put_memory(in, address, v, size) || !is_readable(address);
  };
  const u64 stack = s.gpr[RSP];
  switch (form.mnemonic) {
    case ZYDIS_MNEMONIC_POPF:
    case ZYDIS_MNEMONIC_POPFQ:
      return put(stack, rng_.next() & ~core::kTF, 8);
    case ZYDIS_MNEMONIC_RET:
    case ZYDIS_MNEMONIC_IRET:
    case ZYDIS_MNEMONIC_IRETD:
    case ZYDIS_MNEMONIC_IRETQ: {
      // RIP, CS, RFLAGS, RSP, SS of the operand size.
      const unsigned size = form.far ? i.info.operand_width / 8 : 8;
      const u64 frame[] = {destination_, selector(), rng_.next() & ~core::kTF, kData + rng_.below(kDataSize),
                           selector()};
      bool all = true;
      for (unsigned n = 0; n < (form.far ? 5 : 1); ++n) all &= put(stack + n * size, frame[n], size);
      return all;
    }
    case ZYDIS_MNEMONIC_JMP:
    case ZYDIS_MNEMONIC_CALL:
      if (i.operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
          !(pinned_ >> number_of(i.operands[0].reg.value) & 1))
        s.gpr[number_of(i.operands[0].reg.value)] = destination_;
      if (i.operands[0].type == ZYDIS_OPERAND_TYPE_MEMORY && count) {
        if (!put(addresses[0], destination_, 8)) return false;
        if (form.far)
          return put(addresses[0] + std::min(i.info.operand_width / 8, amd_ ? 4 : 8), selector(), 2);
      }
      break;
    default:
      break;
  }
  return true;
}

bool Generator::state(const Form& form, const Instruction& i, Input& to) {
  State& s = to.state;
  for (u64& r : s.gpr) r = value();
  pinned_ = 0;
  s.rip = i.address;
  s.rflags = core::kFixed1 | core::kIF | (rng_.next() & core::kArithmeticFlags);
  if (rng_.below(4) == 0) s.rflags |= core::kDFlag;
  if (rng_.below(8) == 0) s.rflags |= core::kID;
  if (rng_.below(16) == 0) s.rflags |= core::kNT;
  if (rng_.below(16) == 0) s.rflags |= core::kACFlag;
  s.selectors[0] = s.selectors[3] = 0;
  s.selectors[1] = 0x33;
  s.selectors[2] = 0x2b;
  s.gpr[RSP] = kData + 0x800 + rng_.below(0x1000) / 8 * 8;
  before(form, i, s);

  u64 addresses[4] = {};
  unsigned count = 0;
  const ZydisDecodedOperand* accesses[4];
  for (unsigned n = 0; n < i.info.operand_count && count < 4; ++n)
    if (is_access(i.operands[n])) accesses[count++] = &i.operands[n];
  // What the instruction itself implies first: it has no other register to aim with.
  for (unsigned k = count; k-- > 0;) {
    const bool safe = safe_stack_ && accesses[k]->mem.segment == ZYDIS_REGISTER_SS;
    solve(i, accesses[k]->mem, safe ? kData + 0x800 + rng_.below(0x1000) : target(form), s);
  }
  unsigned doubtful = 0;
  for (unsigned k = 0; k < count; ++k) {
    addresses[k] = effective(i, *accesses[k], s);
    if (!harmless(addresses[k])) return false;
    doubtful += addresses[k] < kData + 64 || addresses[k] > kData + kDataSize - 64;
  }
  // What a read-only page holds might set TF.
  const bool pops_flags = form.mnemonic == ZYDIS_MNEMONIC_POPF || form.mnemonic == ZYDIS_MNEMONIC_POPFQ;
  if (pops_flags && addresses[0] > kReadOnly - 8 && addresses[0] < kUnmapped) return false;
  // Which of two operands faults first is not architecture.
  if (doubtful > 1 && form.compares) return false;
  if (doubtful) s.rflags &= ~core::kACFlag;
  // Where a byte mask or a frame of many parts meets a page that faults, and which alignment operands of 16
  // bytes and more need under AC, is left to the implementation (SDM Vol. 2, "MASKMOVDQU", "MOVUPS",
  // "FXSAVE", "ENTER").
  const bool by_mask = form.mnemonic == ZYDIS_MNEMONIC_MASKMOVQ || form.mnemonic == ZYDIS_MNEMONIC_MASKMOVDQU;
  if (doubtful && by_mask) return false;
  for (unsigned k = 0; k < count; ++k) {
    const unsigned bits = accesses[k]->size;
    if (form.uses_fx && bits > 80) s.rflags &= ~core::kACFlag;
    const u64 first = addresses[k] / kPage, last = (addresses[k] + bits / 8 - 1) / kPage;
    // Misaligned and not canonical: #GP or #SS.
    if (has_parts(bits) && !canonical(addresses[k]) && addresses[k] & 15) return false;
    if (has_parts(bits) && first != last && (first < kData / kPage || last >= kReadOnly / kPage))
      return false;
  }
  if (form.mnemonic == ZYDIS_MNEMONIC_ENTER || by_mask || safe_stack_) s.rflags &= ~core::kACFlag;
  // Switching to 32-bit code leaves upper halves undefined; CALL RSP would have two reasons to fault.
  if (form.far && s.gpr[RSP] >> 32) return false;
  if (form.mnemonic == ZYDIS_MNEMONIC_CALL && !canonical(s.gpr[RSP]) &&
      i.operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER && number_of(i.operands[0].reg.value) == RSP)
    return false;
  for (Patch& p : to.patches) p.size = 0;
  unsigned used = 0;
  for (unsigned k = 0; k < count && used < 2; ++k) {
    u64 from = addresses[k];
    if (from < kData || from >= kData + kDataSize) continue;
    Patch& p = to.patches[used++];
    p.offset = static_cast<u32>(from - kData);
    p.size = static_cast<u32>(std::min<u64>(sizeof p.bytes, kDataSize - p.offset));
    fill(p.bytes, sizeof p.bytes, s);
  }
  if (!after(form, i, to, addresses, count)) return false;
  // The limit of the segment that holds the CPU's number is the host's.
  if (form.mnemonic == ZYDIS_MNEMONIC_LSL) {
    const ZydisDecodedOperand& source = i.operands[1];
    if (source.type == ZYDIS_OPERAND_TYPE_REGISTER) {
      if ((value_of(source.reg.value, s) & 0xfff8) == 0x78) return false;
    } else {
      const u64 drawn = value(), chosen = (drawn & 0xfff8) == 0x78 ? 0x2b : drawn;
      if (!put_memory(to, addresses[0], chosen, 2) && is_readable(addresses[0])) return false;
    }
  }
  if (form.uses_fx) fx(s.fx);
  // From memory it touches no x87 state on AMD (APM Vol. 5), and makes the transition to MMX state on Intel.
  if (form.mnemonic == ZYDIS_MNEMONIC_CVTPI2PS && count) {
    s.fx.fsw &= 0x4700;
    s.fx.ftw = 0xff;
  }
  return true;
}

// One of the kinds that instructions tell apart, in every element width.
void Generator::vector(u8* to) {
  static const u32 single[] = {0,          0x80000000, 0x3f800000, 0xbf800000, 0x7f800000,
                               0xff800000, 0x7fc00001, 0x7f800001, 0xffc12345, 0x00000001,
                               0x807fffff, 0x00800000, 0x7f7fffff, 0x4f000000, 0xcf000000,
                               0x5f000000, 0x3fc00000, 0x3effffff, 0x4b000001, 0x33800000};
  static const u64 twice[] = {0,
                              u64{1} << 63,
                              0x3ff0000000000000,
                              0xbff0000000000000,
                              0x7ff0000000000000,
                              0xfff0000000000000,
                              0x7ff8000000000001,
                              0x7ff0000000000001,
                              0xfff8123456789abc,
                              1,
                              0x800fffffffffffff,
                              0x0010000000000000,
                              0x7fefffffffffffff,
                              0x41e0000000000000,
                              0xc1e0000000200000,
                              0x43e0000000000000,
                              0x3fe0000000000000,
                              0x3ff8000000000000,
                              0x380fffffffffffff,
                              0x47efffffe0000000,
                              0x36a0000000000000};
  switch (rng_.below(6)) {
    case 0:
      for (unsigned n = 0; n < 16; n += 4) put_bytes(to + n, single[rng_.below(sizeof single / 4)], 4);
      break;
    case 1:
      for (unsigned n = 0; n < 16; n += 8) put_bytes(to + n, twice[rng_.below(sizeof twice / 8)], 8);
      break;
    case 2:  // singles of similar size
      for (unsigned n = 0; n < 16; n += 4)
        put_bytes(to + n, (rng_.next() & 0x807fffff) | (120 + rng_.below(16)) << 23, 4);
      break;
    case 3:  // doubles of similar size
      for (unsigned n = 0; n < 16; n += 8)
        put_bytes(to + n, (rng_.next() & 0x800fffffffffffff) | (1015 + rng_.below(80)) << 52, 8);
      break;
    default:
      for (unsigned n = 0; n < 16; n += 8) put_bytes(to + n, value(), 8);
      break;
  }
}

void Generator::extended(u8* to) {
  u64 significand = rng_.next() | u64{1} << 63, exponent = 16383;
  switch (rng_.below(8)) {
    case 0:
      significand = exponent = 0;
      break;
    case 1:
      significand = rng_.below(2) ? u64{1} << 63 : rng_.next();  // infinity, NaN, and what is neither
      exponent = 0x7fff;
      break;
    case 2:
      significand = rng_.next() >> rng_.below(64);  // denormal, or not normal
      exponent = rng_.below(3);
      break;
    case 3:
      significand = (1 + rng_.below(1000)) << 54;
      exponent += rng_.below(64);
      break;
    case 4:
      exponent = rng_.below(0x7fff);
      break;
    default:
      exponent = exponent - 40 + rng_.below(110);
      break;
  }
  put_bytes(to, significand, 8);
  put_bytes(to + 8, exponent | rng_.below(2) << 15, 2);
}

void Generator::fx(FxImage& to) {
  to = {};
  const auto rarely = [&](u64 bits) { return rng_.below(4) ? 0 : rng_.next() & bits; };
  // Mostly everything masked; x87: any precision but the reserved one.
  static const u16 precisions[] = {0x300, 0x300, 0x200, 0};
  to.fcw = static_cast<u16>(0x40 | (0x3f & ~rarely(0x3f)) | precisions[rng_.below(4)] | rng_.below(4) << 10);
  to.fsw = static_cast<u16>((rng_.next() & 0x7f00) | rarely(0x3f));
  if (to.fsw & 1) to.fsw = static_cast<u16>(to.fsw | rarely(0x40));
  if (to.fsw & ~to.fcw & 0x3f) to.fsw |= 0x8080;
  to.ftw = static_cast<u8>(rng_.below(3) ? 0xff & ~rarely(0xff) : rng_.next());
  to.mxcsr = static_cast<u32>(rarely(0x3f) | (rng_.below(4) ? 0 : 0x40) | (0x1f80 & ~rarely(0x1f80)) |
                              rng_.below(4) << 13 | (rng_.below(8) ? 0 : 0x8000));
  for (auto& r : to.st) extended(r);
  for (auto& r : to.xmm) vector(r);
}

}  // namespace pmusim::silicon
