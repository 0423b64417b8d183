// SPDX-License-Identifier: Apache-2.0
// KVM register structs from and to architectural state.
#include "hypervisor/api/kvm_state.h"

namespace pmusim::hv {

kvm::Segment to_kvm(const core::Segment& s) {
  kvm::Segment k;
  k.base = s.base;
  k.limit = s.limit;
  k.selector = s.selector;
  k.type = s.access & 15;
  k.s = s.access >> 4 & 1;
  k.dpl = s.access >> 5 & 3;
  k.present = s.access >> 7 & 1;
  k.avl = s.access >> 12 & 1;
  k.l = s.access >> 13 & 1;
  k.db = s.access >> 14 & 1;
  k.g = s.access >> 15 & 1;
  k.unusable = s.access >> 16 & 1;
  return k;
}

core::Segment from_kvm(const kvm::Segment& k) {
  core::Segment s;
  s.base = k.base;
  s.limit = k.limit;
  s.selector = k.selector;
  s.access = (k.type & 15u) | (k.s & 1u) << 4 | (k.dpl & 3u) << 5 | (k.present & 1u) << 7 |
             (k.avl & 1u) << 12 | (k.l & 1u) << 13 | (k.db & 1u) << 14 | (k.g & 1u) << 15 |
             ((k.unusable & 1u) | !(k.present & 1u)) << 16;
  return s;
}

void to_kvm(const core::CpuState& s, kvm::Regs& r, kvm::Sregs& q) {
  using namespace core;
  r = {s.gpr[RAX], s.gpr[RBX], s.gpr[RCX], s.gpr[RDX], s.gpr[RSI], s.gpr[RDI],
       s.gpr[RSP], s.gpr[RBP], s.gpr[R8],  s.gpr[R9],  s.gpr[R10], s.gpr[R11],
       s.gpr[R12], s.gpr[R13], s.gpr[R14], s.gpr[R15], s.rip,      s.rflags};
  q.cs = to_kvm(s.seg[CS]);
  q.ds = to_kvm(s.seg[DS]);
  q.es = to_kvm(s.seg[ES]);
  q.fs = to_kvm(s.seg[FS]);
  q.gs = to_kvm(s.seg[GS]);
  q.ss = to_kvm(s.seg[SS]);
  q.tr = to_kvm(s.tr);
  q.ldt = to_kvm(s.ldtr);
  q.gdt.base = s.gdtr.base;
  q.gdt.limit = s.gdtr.limit;
  q.idt.base = s.idtr.base;
  q.idt.limit = s.idtr.limit;
  q.cr0 = s.cr0;
  q.cr2 = s.cr2;
  q.cr3 = s.cr3;
  q.cr4 = s.cr4;
  q.efer = s.efer;
}

}  // namespace pmusim::hv
