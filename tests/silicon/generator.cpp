// SPDX-License-Identifier: Apache-2.0
// Random states: registers, segments, where operands lie, and what is there.
#include "generator.h"

#include <algorithm>
#include <cstring>

#include "core/state/state.h"

namespace pmusim::silicon {
namespace {

using core::RAX, core::RDX, core::RSP;

// An access at `a`, and what lies some kilobytes around it, is inside the arena, or faults without an
// address; in 16- and 32-bit code nothing else is mapped that it could reach but the way out.
bool harmless(u64 a, Mode mode) {
  constexpr u64 margin = 1 << 20;
  if (mode != Mode::Long) return a + margin < kExit || a > kExit + margin;
  if (a >= kArena + margin && a < kArena + kArenaSize - margin)
    return a + margin < kExit || a > kExit + margin;
  return !canonical(a) && !canonical(a - 0x10000) && !canonical(a + 0x10000);
}

void put_bytes(u8* at, u64 v, unsigned bytes) {
  std::memcpy(at, &v, bytes);
}

}  // namespace

void Generator::fill_memory(Batch& batch) {
  for (u64 i = 0; i < kDataSize; i += 8) put_bytes(batch.data + i, rng_.next(), 8);
  // Where strings compare equal.
  std::memset(batch.data + 0x600, 0x5a, 0x300);
  std::memset(batch.data + 0xf00, 0x5a, 0x300);
  for (u64 i = 0; i < kPage; i += 8) put_bytes(batch.read_only + i, rng_.next(), 8);
}

u16 Generator::code_segment(Mode mode) {
  if (mode == Mode::Long) return kUserCode;
  const bool big = mode == Mode::Compat32;
  if (big && rng_.below(2)) return kUserCode32;
  for (const UserSegment& s : user_segments())
    if (s.local() && s.code && s.big == big) return s.selector;
  return kUserCode32;
}

u64 Generator::value(Mode mode) {
  return mode == Mode::Long ? values_.integer() : values_.integer() & 0xffffffff;
}

u64 Generator::landing(Mode mode) {
  switch (rng_.below(10)) {
    case 0:
      return kUnmapped + rng_.below(0x10000);
    case 1:
      return kData + rng_.below(kDataSize);
    case 2:
      return mode == Mode::Long ? u64{0x0123} << 48 | rng_.next() >> 16 : 0x40000000 + rng_.below(0x40000000);
    default:
      return kLanding + rng_.below(kPage - 1);
  }
}

u64 Generator::target(const Form& form) {
  // Mostly inside a cache line: see split_locks.h.
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
    default: {                                       // in 16- and 32-bit code cut to something
      const u64 high = 0x4000 + rng_.below(0x8000);  // bits 63:48, neither all 0 nor all 1
      return high << 48 | rng_.next() >> 16 << 4 >> 4;
    }
  }
}

u64 Generator::near_offset(u64 linear, u16 selector) {
  const UserSegment* s = find_segment(selector);
  return s ? (linear - s->base) & 0xffffffff : linear;
}

u16 Generator::data_segment(bool narrow) {
  if (!narrow && rng_.below(2)) return kUserData;
  if (rng_.below(16) == 0) return 0;
  const auto& all = user_segments();
  for (;;) {
    const UserSegment& s = all[rng_.below(all.size())];
    if (!s.present || (s.code && !s.open)) continue;
    const bool is_near = kData - s.base < 0x10000;
    if (!narrow || is_near || rng_.below(8) == 0) return s.selector;
  }
}

void Generator::segments(const Instruction& i, State& s) {
  std::fill(std::begin(s.selectors), std::end(s.selectors), u16{0});
  s.selectors[core::CS] = i.cs;
  s.selectors[core::SS] = kUserData;
  if (i.mode == Mode::Long) return;
  const bool narrow = i.info.address_width == 16;
  for (const core::Seg n : {core::DS, core::ES, core::GS}) s.selectors[n] = data_segment(narrow);
  if (!narrow && rng_.below(2)) return;
  for (;;) {
    const UserSegment* stack = find_segment(data_segment(narrow));
    if (!stack || !allows(stack, 0x9000, 1, true)) continue;
    s.selectors[core::SS] = stack->selector;
    return;
  }
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
      for (unsigned n = 0; n + 16 <= size; n += 16) values_.vector(to + n);
      break;
    default:
      for (unsigned n = 0; n < size; n += 8) put_bytes(to + n, values_.integer(), 8);
      break;
  }
}

bool Generator::splits_lock(const Form& form) const {
  return form.locked && std::any_of(accesses_, accesses_ + count_, [](const Access& a) {
           return a.first / kLine != (a.first + a.size - 1) / kLine;
         });
}

bool Generator::state(const Form& form, const Instruction& i, Input& to) {
  State& s = to.state;
  const bool long_mode = i.mode == Mode::Long;
  for (unsigned r = 0; r < 16; ++r) s.gpr[r] = r < 8 || long_mode ? value(i.mode) : 0;
  pinned_ = 0;
  s.rip = i.offset();
  s.rflags = core::kFixed1 | core::kIF | (rng_.next() & core::kArithmeticFlags);
  if (rng_.below(4) == 0) s.rflags |= core::kDFlag;
  if (rng_.below(8) == 0) s.rflags |= core::kID;
  if (rng_.below(16) == 0) s.rflags |= core::kNT;
  if (rng_.below(16) == 0) s.rflags |= core::kACFlag;
  segments(i, s);
  s.gpr[RSP] = kData + 0x800 + rng_.below(0x1000) / 8 * 8;
  if (!long_mode) s.gpr[RSP] = near_offset(s.gpr[RSP], s.selectors[core::SS]);
  special_registers(form, i, s);

  count_ = 0;
  for (unsigned n = 0; n < i.info.operand_count && count_ < kOperands; ++n)
    if (is_memory(i.operands[n])) accesses_[count_++].operand = &i.operands[n];
  // What the instruction itself implies first: it has no other register to aim with.
  for (unsigned k = count_; k-- > 0;) {
    const ZydisDecodedOperand& o = *accesses_[k].operand;
    const bool safe = safe_stack_ && is_stack(o);
    u64 wanted = safe ? kData + 0x800 + rng_.below(0x1000) : target(form);
    if (o.size == kXsaveBits && rng_.below(16)) wanted &= ~u64{63};
    addressing_.solve(i, o, wanted, pinned_, rng_, s);
  }
  for (unsigned k = 0; k < count_; ++k) {
    Access& a = accesses_[k];
    a.address = addressing_.at(i, *a.operand, s);
    if (!harmless(a.address.linear, i.mode)) return false;
    a.size = std::max<u64>(a.operand->size / 8, 1);
    const bool pushes = is_stack(*a.operand) && writes(*a.operand);
    a.first = a.address.linear - (pushes ? a.size : 0);
    constexpr u64 margin = 64;
    a.certain = a.address.linear >= kData + margin && a.address.linear <= kData + kDataSize - margin;
    if (!long_mode)
      a.certain &=
          a.address.offset >= margin && allows(a.address.segment, a.address.offset - margin,
                                               margin + std::max(margin, a.size), writes(*a.operand));
  }
  if (!acceptable(form, i, s)) return false;

  for (Patch& p : to.patches) p.size = 0;
  for (unsigned k = 0, used = 0; k < count_ && used < 2; ++k) {
    const u64 from = accesses_[k].address.linear;
    if (from < kData || from >= kData + kDataSize) continue;
    Patch& p = to.patches[used++];
    p.offset = static_cast<u32>(from - kData);
    p.size = static_cast<u32>(std::min<u64>(sizeof p.bytes, kDataSize - p.offset));
    fill(p.bytes, sizeof p.bytes, s);
  }
  if (!special_memory(form, i, to)) return false;
  // The limit of the segment that holds the CPU's number is the host's.
  if (form.mnemonic == ZYDIS_MNEMONIC_LSL) {
    const ZydisDecodedOperand& source = i.operands[1];
    if (source.type == ZYDIS_OPERAND_TYPE_REGISTER) {
      if ((value_of(source.reg.value, s) & 0xfff8) == 0x78) return false;
    } else {
      const u64 drawn = values_.integer(), chosen = (drawn & 0xfff8) == 0x78 ? 0x2b : drawn;
      const u64 at = accesses_[0].address.linear;
      if (!put_memory(to, at, chosen, 2) && is_readable(at)) return false;
    }
  }
  if (form.uses_fx) values_.fx(s.fx);
  // From memory it touches no x87 state: observed on Intel, on AMD by APM Vol. 5 alone.
  if (host_is_amd() && form.mnemonic == ZYDIS_MNEMONIC_CVTPI2PS && count_) {
    s.fx.fsw &= 0x4700;
    s.fx.ftw = 0xff;
  }
  return !splits_lock(form) || split_locks_.take();
}

}  // namespace pmusim::silicon
