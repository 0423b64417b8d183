// SPDX-License-Identifier: Apache-2.0
// Loads of segment registers (SDM Vol. 3, "Segment Registers", "Privilege Level Checking When Accessing Data
// Segments"; Vol. 2, MOV, LLDT, LTR).
#include "arch/linear_address.h"
#include "core/system/segmentation.h"

#include <algorithm>

namespace pmusim::core {
namespace {

void load_stack_segment(Exec& x, u16 selector) {
  CpuState& s = *x.s;
  const u8 rpl = selector & 3;
  if (is_null(selector)) {
    if (!s.code64() || s.cpl == 3 || rpl != s.cpl) raise_gp(0);
    s.seg[SS] = null_segment(selector, s.cpl);
    return;
  }
  Descriptor d = read_descriptor(x, selector, kGP);
  if (rpl != s.cpl || !d.is_writable_data() || d.segment.dpl() != s.cpl) raise_gp(selector_error(selector));
  if (!d.present()) raise(kSS, selector_error(selector));
  mark_accessed(x, d);
  s.seg[SS] = d.segment;
}

}  // namespace

void load_segment(Exec& x, Seg seg, u16 selector) {
  CpuState& s = *x.s;
  if (s.real_segments()) {
    s.seg[seg].selector = selector;  // limit and rights stay: "Switching Back to Real-Address Mode"
    s.seg[seg].base = u64{selector} << 4;
  } else if (seg == SS) {
    load_stack_segment(x, selector);
  } else if (is_null(selector)) {
    s.seg[seg] = null_segment(selector, 0);
  } else {
    Descriptor d = read_descriptor(x, selector, kGP);
    const u8 rpl = selector & 3;
    if (d.is_system() || !d.is_readable()) raise_gp(selector_error(selector));
    if (!(d.is_code() && d.is_conforming()) && (rpl > d.segment.dpl() || s.cpl > d.segment.dpl()))
      raise_gp(selector_error(selector));
    if (!d.present()) raise(kNP, selector_error(selector));
    mark_accessed(x, d);
    s.seg[seg] = d.segment;
  }
}

// A fault can only come from reading the table (SDM Vol. 2, LAR, LSL, VERR).
bool examine_segment(Exec& x, Examine what, u16 selector, u64& value) {
  const CpuState& s = *x.s;
  if (s.real_segments()) raise(kUD);
  const bool verifies = what == Examine::Readable || what == Examine::Writable;
  if (is_null(selector) || !in_table(s, selector, 8)) return false;
  const Descriptor d = read_descriptor(x, selector, kGP);
  if (d.is_system()) {
    // By type: available and busy 16-bit TSS, LDT, call gate, task gate; 32-bit TSSs and call gate.
    const u32 legacy = what == Examine::Limit ? 0x0a0e : 0x1a3e,
              long_mode = what == Examine::Limit ? 0x0a04 : 0x1a04;
    if (verifies || !((s.long_mode() ? long_mode : legacy) >> d.type() & 1)) return false;
  }
  const bool conforming = d.is_code() && d.is_conforming();
  if (!conforming && d.segment.dpl() < std::max<u8>(s.cpl, static_cast<u8>(selector & 3))) return false;
  if (what == Examine::Readable && !d.is_readable()) return false;
  if (what == Examine::Writable && !d.is_writable_data()) return false;
  value = what == Examine::Limit ? d.segment.limit : d.raw >> 32 & 0x00ffff00;
  return true;
}

void check_alignment(const Exec& x, u64 rflags, u64 linear, unsigned size) {
  const CpuState& s = *x.s;
  if ((rflags & kACFlag) && s.cpl == 3 && (s.cr0 & kCr0Am) && linear & (size - 1)) raise(kAC, 0);
}

void load_ldtr(Exec& x, u16 selector) {
  CpuState& s = *x.s;
  if (s.real_segments()) raise(kUD);
  if (s.cpl != 0) raise_gp(0);
  if (is_null(selector)) {
    s.ldtr = null_segment(selector, 0);
    return;
  }
  if (selector & 4) raise_gp(selector_error(selector));
  const Descriptor d = read_descriptor(x, selector, kGP, 0, s.long_mode() ? 16 : 8);
  if (!d.is_system() || d.type() != 2) raise_gp(selector_error(selector));
  if (!d.present()) raise(kNP, selector_error(selector));
  if (s.long_mode() && !canonical(d.segment.base)) raise_gp(selector_error(selector));
  s.ldtr = d.segment;
}

void load_tr(Exec& x, u16 selector) {
  CpuState& s = *x.s;
  if (s.real_segments()) raise(kUD);
  if (s.cpl != 0) raise_gp(0);
  if (is_null(selector)) raise_gp(0);
  if (selector & 4) raise_gp(selector_error(selector));
  Descriptor d = read_descriptor(x, selector, kGP, 0, s.long_mode() ? 16 : 8);
  const bool available = d.type() == 9 || (d.type() == 1 && !s.long_mode());
  if (!d.is_system() || !available) raise_gp(selector_error(selector));
  if (!d.present()) raise(kNP, selector_error(selector));
  if (s.long_mode() && !canonical(d.segment.base)) raise_gp(selector_error(selector));
  d.segment.access |= 2;  // busy
  x.mmu->write_system(d.linear + 5, d.segment.access & 0xff, 1);
  s.tr = d.segment;
}

}  // namespace pmusim::core
