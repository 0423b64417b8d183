// SPDX-License-Identifier: Apache-2.0
// SYSCALL, SYSRET and SWAPGS (SDM Vol. 2 and AMD APM Vol. 3, those instructions; SDM Vol. 3, "Fast System
// Calls in 64-Bit Mode"). Not modelled: SYSENTER and SYSEXIT; SYSCALL and SYSRET in AMD's legacy mode
// (Unimplemented).
#include <utility>

#include "base/bits.h"
#include "core/exec.h"
#include "core/segmentation.h"

namespace pmusim::core {
namespace {

Segment flat(u16 selector, u32 access) {
  Segment s;
  s.selector = selector;
  s.limit = 0xffffffff;
  s.access = access | kCodeOrData | kSegPresent | kGranular;
  return s;
}
constexpr u32 kCodeType = kCode | 2 | kAccessed, kDataType = kSegWritable | kAccessed;

}  // namespace

void swapgs(Exec& x) {
  CpuState& s = *x.s;
  if (!s.code64()) raise(kUD);
  if (s.cpl != 0) raise_gp(0);
  std::swap(s.seg[GS].base, s.kernel_gs_base);
}

// Segments do not come from the descriptor table. Intel knows SYSCALL only in 64-bit mode, AMD in every mode.
void syscall(Exec& x) {
  CpuState& s = *x.s;
  if (!(s.efer & kEferSce) || !s.protected_mode()) raise(kUD);
  if (!s.code64() && !x.config->amd) raise(kUD);
  if (!s.long_mode()) throw Unimplemented(s.rip, "SYSCALL in legacy mode");
  const u64 target = s.code64() ? s.lstar : s.cstar;
  const u16 cs = static_cast<u16>(bits(s.star, 47, 32));
  s.gpr[RCX] = x.next_rip;
  s.gpr[R11] = s.rflags & ~kRF;
  s.rflags = (s.rflags & ~(s.sfmask & 0xffffffff) & ~kRF) | kFixed1;
  s.seg[CS] = flat(cs & 0xfffc, kCodeType | kLong);
  s.seg[SS] = flat(static_cast<u16>(cs + 8), kDataType | kBig);
  set_cpl(x, 0);
  commit_rip(x, target);
}

// AMD leaves the hidden part of SS as it is; here both vendors load it as Intel does (not observable in
// 64-bit code). The canonical check of RCX is Intel's; on AMD the fetch after SYSRET faults.
void sysret(Exec& x, unsigned operand_size) {
  CpuState& s = *x.s;
  if (!(s.efer & kEferSce) || !s.protected_mode()) raise(kUD);
  if (!s.code64() && !x.config->amd) raise(kUD);
  if (s.cpl != 0) raise_gp(0);
  if (!s.long_mode()) throw Unimplemented(s.rip, "SYSRET in legacy mode");
  const bool to64 = operand_size == 8;
  if (to64 && !x.config->amd && !canonical(s.gpr[RCX])) raise_gp(0);
  const u16 base = static_cast<u16>(bits(s.star, 63, 48));
  const u64 target = to64 ? s.gpr[RCX] : s.gpr[RCX] & 0xffffffff;
  s.rflags = (s.gpr[R11] & 0x3c7fd7) | kFixed1;
  const u32 dpl3 = 3 << 5;
  s.seg[CS] = flat(static_cast<u16>((to64 ? base + 16 : base) | 3), kCodeType | dpl3 | (to64 ? kLong : kBig));
  s.seg[SS] = flat(static_cast<u16>((base + 8) | 3), kDataType | dpl3 | kBig);
  set_cpl(x, 3);
  commit_rip(x, target);
}

}  // namespace pmusim::core
