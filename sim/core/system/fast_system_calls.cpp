// SPDX-License-Identifier: Apache-2.0
// SYSCALL, SYSRET, SYSENTER, SYSEXIT and SWAPGS (SDM Vol. 2 and AMD APM Vol. 3, those instructions; SDM
// Vol. 3, "Fast System Calls in 64-Bit Mode"). Segments do not come from the descriptor table.
#include <utility>

#include "arch/linear_address.h"
#include "base/bits.h"
#include "core/system/exec.h"
#include "core/system/segmentation.h"

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

// Intel knows SYSCALL only in 64-bit mode, AMD in every mode. In legacy mode the target is in STAR, the
// return address in ECX, and the flags are not saved.
void syscall(Exec& x) {
  CpuState& s = *x.s;
  if (!(s.efer & kEferSce) || !s.protected_mode()) raise(kUD);
  if (!s.code64() && !x.config->amd) raise(kUD);
  const bool legacy = !s.long_mode();
  const u64 target = legacy ? s.star & 0xffffffff : s.code64() ? s.lstar : s.cstar;
  const u16 cs = static_cast<u16>(bits(s.star, 47, 32));
  s.gpr[RCX] = x.next_rip;
  if (legacy) {
    s.rflags &= ~(kIF | kRF | kVM);
  } else {
    s.gpr[R11] = s.rflags & ~kRF;
    s.rflags = (s.rflags & ~(s.sfmask & 0xffffffff) & ~kRF) | kFixed1;
  }
  s.seg[CS] = flat(cs & 0xfffc, kCodeType | (legacy ? kBig : kLong));
  s.seg[SS] = flat(static_cast<u16>(cs + 8), kDataType | kBig);
  set_cpl(x, 0);
  commit_rip(x, target);
}

// AMD leaves the hidden part of SS as it is; here both vendors load it as Intel does (not observable in
// 64-bit code). The canonical check of RCX is Intel's; on AMD the fetch after SYSRET faults.
void sysret(Exec& x, unsigned operand_size) {
  CpuState& s = *x.s;
  if (!(s.efer & kEferSce) || s.real_segments()) raise(kUD);
  if (!s.code64() && !x.config->amd) raise(kUD);
  if (s.cpl != 0) raise_gp(0);
  const bool to64 = operand_size == 8;
  if (to64 && !x.config->amd && !canonical(s.gpr[RCX])) raise_gp(0);
  const u16 base = static_cast<u16>(bits(s.star, 63, 48));
  const u64 target = to64 ? s.gpr[RCX] : s.gpr[RCX] & 0xffffffff;
  s.rflags = s.long_mode() ? (s.gpr[R11] & 0x3c7fd7) | kFixed1 : s.rflags | kIF;
  const u32 dpl3 = 3 << 5;
  s.seg[CS] = flat(static_cast<u16>((to64 ? base + 16 : base) | 3), kCodeType | dpl3 | (to64 ? kLong : kBig));
  s.seg[SS] = flat(static_cast<u16>((base + 8) | 3), kDataType | dpl3 | kBig);
  set_cpl(x, 3);
  commit_rip(x, target);
}

// AMD has these only outside long mode (APM Vol. 3, SYSENTER).
void sysenter(Exec& x) {
  CpuState& s = *x.s;
  if (x.config->amd && s.long_mode()) raise(kUD);
  const u16 cs = static_cast<u16>(s.sysenter_cs & 0xfffc);
  if (!s.protected_mode() || !cs) raise_gp(0);
  const u64 width = s.long_mode() ? ~u64{0} : 0xffffffff;
  s.rflags &= ~(kIF | kRF | kVM);
  s.gpr[RSP] = s.sysenter_esp & width;
  s.seg[CS] = flat(cs, kCodeType | (s.long_mode() ? kLong : kBig));
  s.seg[SS] = flat(static_cast<u16>(cs + 8), kDataType | kBig);
  set_cpl(x, 0);
  commit_rip(x, s.sysenter_eip & width);
}

void sysexit(Exec& x, unsigned operand_size) {
  CpuState& s = *x.s;
  if (x.config->amd && s.long_mode()) raise(kUD);
  const u16 cs = static_cast<u16>(s.sysenter_cs & 0xfffc);
  if (!s.protected_mode() || !cs || s.cpl != 0) raise_gp(0);
  const bool to64 = operand_size == 8;
  if (to64 && (!canonical(s.gpr[RCX]) || !canonical(s.gpr[RDX]))) raise_gp(0);
  const u64 width = to64 ? ~u64{0} : 0xffffffff;
  const u64 target = s.gpr[RDX] & width;
  const u32 dpl3 = 3 << 5;
  s.gpr[RSP] = s.gpr[RCX] & width;
  s.seg[CS] = flat(static_cast<u16>((cs + (to64 ? 32 : 16)) | 3), kCodeType | dpl3 | (to64 ? kLong : kBig));
  s.seg[SS] = flat(static_cast<u16>((cs + (to64 ? 40 : 24)) | 3), kDataType | dpl3 | kBig);
  set_cpl(x, 3);
  commit_rip(x, target);
}

}  // namespace pmusim::core
