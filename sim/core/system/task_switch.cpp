// SPDX-License-Identifier: Apache-2.0
// Hardware task switching (SDM Vol. 3, "Task Management": "Task Switching", Table 7-1; Vol. 2, CALL, JMP,
// IRET, INT n). Up to the commit point a fault leaves everything as it was; behind it faults belong to the
// new task, which then has the registers of its TSS and those segments that could be loaded. A guest's
// attempt is a VM-exit after the checks of the TSS descriptor (SDM Vol. 3, "Treatment of Task Switches").
#include "core/system/task_switch.h"

#include "base/bits.h"
#include "core/system/segmentation.h"

namespace pmusim::core {
namespace {

constexpr u64 kDr7Local = 0x155;     // L0-L3, LE
constexpr u8 kTss32 = 8, kBusy = 2;  // in the type of a TSS descriptor

// Where a TSS keeps what a switch saves and loads. General registers and segments are in the order of their
// numbers, each `word` bytes.
struct Layout {
  unsigned word, ip, flags, gpr, seg, segs, ldt, limit;
};
constexpr Layout kLayout16{2, 0x0e, 0x10, 0x12, 0x22, 4, 0x2a, 0x2b};
constexpr Layout kLayout32{4, 0x20, 0x24, 0x28, 0x48, 6, 0x60, 0x67};
constexpr unsigned kCr3At = 0x1c, kTrapAt = 0x64;  // 32-bit TSS

const Layout& layout(const Segment& tss) {
  return tss.access & kTss32 ? kLayout32 : kLayout16;
}

// The image of a task, read before anything changes.
struct Image {
  u64 ip = 0, flags = 0, gpr[8] = {}, cr3 = 0;
  u16 seg[6] = {}, ldt = 0;
  bool trap = false;
};

Image read_image(Exec& x, const Segment& tss) {
  const Layout& at = layout(tss);
  const auto read = [&](unsigned offset, unsigned size) {
    return x.mmu->read_system(tss.base + offset, size);
  };
  Image i;
  i.ip = read(at.ip, at.word);
  i.flags = read(at.flags, at.word);
  for (unsigned n = 0; n < 8; ++n) i.gpr[n] = read(at.gpr + n * at.word, at.word);
  for (unsigned n = 0; n < at.segs; ++n) i.seg[n] = static_cast<u16>(read(at.seg + n * at.word, 2));
  i.ldt = static_cast<u16>(read(at.ldt, 2));
  if (at.word == 4) {
    i.cr3 = read(kCr3At, 4);
    i.trap = read(kTrapAt, 2) & 1;
  }
  return i;
}

// A fault here is still the old task's, whose registers are as they were: what was written is written again.
void save_image(Exec& x, const TaskSwitch& t) {
  const CpuState& s = *x.s;
  const Layout& at = layout(s.tr);
  const auto write = [&](unsigned offset, u64 value, unsigned size) {
    x.mmu->write_system(s.tr.base + offset, value & mask(size * 8), size);
  };
  write(at.ip, t.rip, at.word);
  write(at.flags, t.source == TaskSource::Iret ? t.flags & ~kNT : t.flags, at.word);
  for (unsigned n = 0; n < 8; ++n) write(at.gpr + n * at.word, s.gpr[n], at.word);
  for (unsigned n = 0; n < at.segs; ++n) write(at.seg + n * at.word, s.seg[n].selector, 2);
}

Descriptor new_tss(Exec& x, const TaskSwitch& t) {
  const bool returns = t.source == TaskSource::Iret;
  const u8 vector = returns ? kTS : kGP;
  const u32 error = selector_error(t.selector, t.ext);
  if (t.selector & 4 || is_null(t.selector)) raise(vector, error);
  const Descriptor d = read_descriptor(x, t.selector, vector, t.ext);
  const u8 available_or_busy = returns ? kBusy : 0;
  if (!d.is_system() || (d.type() & ~kTss32) != (1 | available_or_busy)) raise(vector, error);
  if (!d.present()) raise(kNP, error);
  if (d.segment.limit < layout(d.segment).limit) raise(kTS, error);
  return d;
}

void load_new_ldt(Exec& x, u16 selector, u32 ext) {
  if (is_null(selector)) return;
  const u32 error = selector_error(selector, ext);
  if (selector & 4) raise(kTS, error);
  const Descriptor d = read_descriptor(x, selector, kTS, ext);
  if (!d.is_system() || d.type() != 2 || !d.present()) raise(kTS, error);
  x.s->ldtr = d.segment;
}

void load_new_segment(Exec& x, Seg seg, u16 selector, u32 ext) {
  const u8 cpl = x.s->cpl, rpl = selector & 3;
  const u32 error = selector_error(selector, ext);
  if (is_null(selector)) {
    if (seg == CS || seg == SS) raise(kTS, error);
    return;
  }
  Descriptor d = read_descriptor(x, selector, kTS, ext);
  const u8 dpl = d.segment.dpl();
  const bool conforming = d.is_code() && d.is_conforming();
  if (seg == CS   ? !d.is_code() || (conforming ? dpl > rpl : dpl != rpl)
      : seg == SS ? !d.is_writable_data() || dpl != cpl || rpl != cpl
                  : d.is_system() || !d.is_readable() || (!conforming && (dpl < cpl || dpl < rpl)))
    raise(kTS, error);
  if (!d.present()) raise(seg == SS ? kSS : kNP, error);
  mark_accessed(x, d);
  x.s->seg[seg] = d.segment;
}

void load_registers(Exec& x, const Image& i, const Segment& tss, bool nested) {
  CpuState& s = *x.s;
  const Layout& at = layout(tss);
  const bool wide = at.word == 4;
  if (wide && s.paging()) {
    s.cr3 = i.cr3;
    x.flush_non_global();
  }
  for (unsigned n = 0; n < 8; ++n) s.gpr[n] = wide ? i.gpr[n] : (s.gpr[n] & ~u64{0xffff}) | i.gpr[n];
  constexpr u64 kDefined =
      kArithmeticFlags | kTF | kIF | kDFlag | kIopl | kNT | kRF | kVM | kACFlag | kVIF | kVIP | kID;
  s.rflags = (i.flags & kDefined) | kFixed1 | (nested ? u64{kNT} : 0);
  const u8 cpl = s.virtual_8086() ? 3 : i.seg[CS] & 3;
  for (unsigned n = 0; n < 6; ++n)
    s.seg[n] = s.virtual_8086() ? virtual_8086_segment(i.seg[n]) : null_segment(i.seg[n], cpl);
  s.ldtr = null_segment(i.ldt, 0);
  s.cr0 |= kCr0Ts;
  s.dr[7] &= ~kDr7Local;
  s.interrupt_shadow = s.debug_shadow = false;
  commit_rip(x, i.ip);
  set_cpl(x, cpl);
}

}  // namespace

void switch_task(Exec& x, const TaskSwitch& t) {
  CpuState& s = *x.s;
  const Descriptor to = new_tss(x, t);
  check_intercept(x, ExitKind::TaskSwitch, t.selector | u64{static_cast<u8>(t.source)} << 30);
  const bool nested = t.source == TaskSource::Call || t.source == TaskSource::Gate;
  const Image image = read_image(x, to.segment);
  if (s.tr.unusable() || s.tr.limit < layout(s.tr).limit) raise(kTS, selector_error(s.tr.selector, t.ext));
  save_image(x, t);
  if (nested) x.mmu->write_system(to.segment.base, s.tr.selector, 2);
  const u64 old_descriptor = s.gdtr.base + (s.tr.selector & 0xfff8);
  if (!nested)
    x.mmu->write_system(old_descriptor + 5, x.mmu->read_system(old_descriptor + 5, 1) & ~u64{kBusy}, 1);
  if (t.source != TaskSource::Iret) x.mmu->write_system(to.linear + 5, (to.segment.access & 0xff) | kBusy, 1);

  x.committed = true;
  if (t.event) take_event(x, *t.event);
  s.tr = to.segment;
  s.tr.access |= kBusy;
  load_registers(x, image, to.segment, nested);
  load_new_ldt(x, image.ldt, t.ext);
  if (!s.virtual_8086())
    for (const Seg seg : {CS, SS, ES, DS, FS, GS}) load_new_segment(x, seg, image.seg[seg], t.ext);
  if (t.has_error_code) {
    StackCursor stack(x);
    stack.push(t.error_code, layout(to.segment).word);
    s.gpr[RSP] = stack.merged(s.gpr[RSP]);
  }
  check_code_limits(x, s.seg[CS], image.ip, t.ext);
  x.task_trap = image.trap;
}

}  // namespace pmusim::core
