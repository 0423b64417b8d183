// SPDX-License-Identifier: Apache-2.0
// Descriptor tables, stack cursors, stacks of inner levels (SDM Vol. 3, "Protected-Mode Memory Management",
// "Stack Switching").
#include "arch/linear_address.h"
#include "base/bits.h"
#include "core/system/segmentation.h"

namespace pmusim::core {

Segment decode_descriptor(u64 raw, u16 selector) {
  Segment s;
  s.selector = selector;
  s.base = bits(raw, 39, 16) | bits(raw, 63, 56) << 24;
  s.access = static_cast<u32>(bits(raw, 47, 40) | bits(raw, 55, 52) << 12);
  s.limit = static_cast<u32>(bits(raw, 15, 0) | bits(raw, 51, 48) << 16);
  if (s.access & kGranular) s.limit = s.limit << 12 | 0xfff;
  return s;
}

bool in_table(const CpuState& s, u16 selector, unsigned size) {
  const bool local = selector & 4;
  const u64 limit = local ? s.ldtr.limit : s.gdtr.limit;
  return !(local && s.ldtr.unusable()) && (selector & 0xfff8u) + size - 1 <= limit;
}

Descriptor read_descriptor(Exec& x, u16 selector, u8 vector, u32 ext, unsigned size) {
  const CpuState& s = *x.s;
  if (!in_table(s, selector, size)) raise(vector, selector_error(selector, ext));
  Descriptor d;
  d.linear = (selector & 4 ? s.ldtr.base : s.gdtr.base) + (selector & 0xfff8);
  d.raw = x.mmu->read_system(d.linear, 8);
  d.segment = decode_descriptor(d.raw, selector);
  if (size == 16) {
    d.system_linear = x.mmu->read_system(d.linear + 8, 8);
    d.segment.base |= d.system_linear << 32;
  }
  return d;
}

void mark_accessed(Exec& x, Descriptor& d) {
  if (d.segment.access & kAccessed) return;
  d.segment.access |= kAccessed;
  x.mmu->write_system(d.linear + 5, bits(d.raw, 47, 40) | kAccessed, 1);
}

Segment null_segment(u16 selector, u8 dpl) {
  Segment s;
  s.selector = selector;
  s.limit = 0;
  s.access = kUnusable | u32{dpl} << 5;
  return s;
}

// Writable data of DPL 3, CS too, as "Checks on Guest Segment Registers" has them.
Segment virtual_8086_segment(u16 selector) {
  Segment s;
  s.selector = selector;
  s.base = u64{selector} << 4;
  s.access = kSegPresent | 3 << 5 | kCodeOrData | kSegWritable | kAccessed;
  return s;
}

void commit_rip(Exec& x, u64 rip) {
  x.s->rip = x.next_rip = rip;
}

void set_cpl(Exec& x, u8 cpl) {
  x.s->cpl = cpl;
  x.mmu->access_changed();
}

void check_code_limits(Exec& x, const Segment& cs, u64 rip, u32 error) {
  if (x.s->long_mode() && cs.long_mode() ? !canonical(rip) : rip > cs.limit) raise_gp(error);
}

bool inside_limit(const Segment& g, u64 first, unsigned size) {
  const u64 last = first + size - 1;
  const bool expand_down = (g.access & (kCodeOrData | kCode | kExpandDown)) == (kCodeOrData | kExpandDown);
  return expand_down ? first > g.limit && last <= (g.big() ? 0xffffffff : 0xffff) : last <= g.limit;
}

// SDM Vol. 3, "Limit Checking", "Type Checking". In real-address mode only the limit counts.
u64 data_linear(const CpuState& s, u8 seg, u64 offset, unsigned size, bool store) {
  const Segment& g = s.seg[seg];
  offset = static_cast<u32>(offset);
  if (size) {
    const bool code = g.access & kCode;
    const bool type = !s.protected_mode() ||
                      (!g.unusable() && (store ? !code && g.access & kSegWritable : !code || g.access & 2));
    if (!type || !inside_limit(g, offset, size)) raise(seg == SS ? kSS : kGP, 0);
  }
  return static_cast<u32>(g.base + offset);
}

u64 linear_address(const CpuState& s, u8 seg, u64 offset, unsigned size, bool store) {
  if (!s.code64()) return data_linear(s, seg, offset, size, store);
  return seg >= FS ? offset + s.seg[seg].base : offset;
}

u64 read_tss(Exec& x, u32 offset, unsigned size, u32 ext) {
  const Segment& tr = x.s->tr;
  if (tr.unusable() || offset + size - 1 > tr.limit) raise(kTS, selector_error(tr.selector, ext));
  return x.mmu->read_system(tr.base + offset, size);
}

NewStack inner_stack(Exec& x, u8 cpl, u32 ext) {
  if (x.s->long_mode()) return {null_segment(cpl, cpl), read_tss(x, 4 + 8u * cpl, 8, ext)};
  const bool wide = (x.s->tr.access & 15) >= 9;
  const unsigned size = wide ? 4 : 2;
  const u32 at = size + 2u * size * cpl;
  NewStack n;
  n.rsp = read_tss(x, at, size, ext);
  const u16 selector = static_cast<u16>(read_tss(x, at + size, 2, ext));
  if (is_null(selector)) raise(kTS, ext);
  Descriptor d = read_descriptor(x, selector, kTS, ext);
  if ((selector & 3) != cpl || d.segment.dpl() != cpl || !d.is_writable_data())
    raise(kTS, selector_error(selector, ext));
  if (!d.present()) raise(kSS, selector_error(selector, ext));
  mark_accessed(x, d);
  n.ss = d.segment;
  return n;
}

u64 StackCursor::linear(u64 offset, unsigned size) const {
  if (code64_) {
    if (!canonical(offset) || !canonical(offset + size - 1)) raise(kSS, error_);
    return offset;
  }
  offset &= width_mask();
  if (ss_.unusable() || !inside_limit(ss_, offset, size)) raise(kSS, error_);
  return (ss_.base + offset) & 0xffffffff;
}

void StackCursor::push(u64 value, unsigned size) {
  const u64 sp = moved(-u64{size});
  const u64 at = linear(sp, size);
  if (system_)
    x_->mmu->write_system(at, value, size);
  else if (size == 2)
    x_->mmu->write<u16>(at, static_cast<u16>(value));
  else if (size == 4)
    x_->mmu->write<u32>(at, static_cast<u32>(value));
  else
    x_->mmu->write<u64>(at, value);
  sp_ = sp;
}

u64 StackCursor::pop(unsigned size) {
  const u64 at = linear(sp_, size);
  u64 value;
  if (system_)
    value = x_->mmu->read_system(at, size);
  else if (size == 2)
    value = x_->mmu->read<u16>(at);
  else if (size == 4)
    value = x_->mmu->read<u32>(at);
  else
    value = x_->mmu->read<u64>(at);
  sp_ = moved(size);
  return value;
}

}  // namespace pmusim::core
