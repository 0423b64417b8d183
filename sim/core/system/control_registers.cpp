// SPDX-License-Identifier: Apache-2.0
// MOV to and from control and debug registers, CLTS, LMSW (SDM Vol. 2, those instructions; Vol. 3, "Control
// Registers", "Activating IA-32e Mode", "Debug Registers"). Not modelled: PDPTE registers (a CR3 load does
// not check PAE's PDPTEs).
#include "base/bits.h"
#include "core/system/exec.h"

namespace pmusim::core {
namespace {

constexpr u64 kCr0Writable =
    kCr0Pe | kCr0Mp | kCr0Em | kCr0Ts | kCr0Ne | kCr0Wp | kCr0Am | kCr0Nw | kCr0Cd | kCr0Pg;
constexpr u64 kDr6Fixed = 0xffff0ff0, kDr6Writable = 0xe00f, kDr7Fixed = 0x400, kDr7Writable = 0xffff23ff;
constexpr u64 kDr6Bd = 1 << 13, kDr7Gd = 1 << 13;

void write_cr0(Exec& x, u64 value) {
  CpuState& s = *x.s;
  if (value >> 32) raise_gp(0);
  if (value & kCr0Pg && !(value & kCr0Pe)) raise_gp(0);
  if (value & kCr0Nw && !(value & kCr0Cd)) raise_gp(0);
  u64 efer = s.efer;
  if (value & kCr0Pg && !s.paging() && efer & kEferLme) {
    if (!(s.cr4 & kCr4Pae) || s.seg[CS].long_mode()) raise_gp(0);
    efer |= kEferLma;
  } else if (!(value & kCr0Pg) && s.paging()) {
    if (s.code64() || s.cr4 & kCr4Pcide) raise_gp(0);
    efer &= ~kEferLma;
  }
  const u64 next = (value & kCr0Writable) | kCr0Et;  // reserved bits of the low half are ignored
  const bool flush = (next ^ s.cr0) & (kCr0Pe | kCr0Pg | kCr0Wp);
  s.cr0 = next;
  s.efer = efer;
  if (flush) x.flush_current();
  x.mmu->access_changed();
}

// With PCIDs bit 63 asks not to flush; that is a permission (mmu.h).
void write_cr3(Exec& x, u64 value) {
  CpuState& s = *x.s;
  if (s.cr4 & kCr4Pcide) value &= ~bit(63);
  if (s.long_mode() && value & ~mask(x.mmu->physical_bits())) raise_gp(0);
  s.cr3 = value;
  x.flush_non_global();
}

void write_cr4(Exec& x, u64 value) {
  CpuState& s = *x.s;
  if (value & ~cr4_bits(x.config->features & x.config->enumerated)) raise_gp(0);
  if (s.long_mode() && !(value & kCr4Pae)) raise_gp(0);
  if (value & ~s.cr4 & kCr4Pcide && (!s.long_mode() || s.cr3 & mask(12))) raise_gp(0);
  const bool flush = (value ^ s.cr4) & (kCr4Pae | kCr4Pse | kCr4Pge | kCr4Pcide | kCr4Smep | kCr4Smap);
  s.cr4 = value;
  if (flush) x.flush_current();
  x.mmu->access_changed();
}

// DR4 and DR5 are DR6 and DR7 unless debug extensions are on. Then come privilege and general detect. The
// VM-exit of VMX precedes all of them (SDM Vol. 3, "Instructions That Cause VM Exits Conditionally", MOV DR),
// that of SVM comes last.
unsigned check_dr(Exec& x, unsigned dr, bool write, unsigned gpr) {
  CpuState& s = *x.s;
  if (dr > 7) raise(kUD);
  const u64 qualification = dr | u64{write} << 8 | u64{gpr} << 16;
  const bool faults_first = x.intercepts && x.intercepts->faults_before_intercept();
  if (!faults_first) check_intercept(x, ExitKind::DrAccess, qualification);
  if (dr == 4 || dr == 5) {
    if (s.cr4 & kCr4De) raise(kUD);
    dr += 2;
  }
  if (s.cpl != 0) raise_gp(0);
  if (s.dr[7] & kDr7Gd) {
    s.dr[6] |= kDr6Bd;
    raise(kDB);
  }
  if (faults_first) check_intercept(x, ExitKind::DrAccess, qualification);
  return dr;
}

void check_cr(const CpuState& s, unsigned cr) {
  if (cr > 4 && cr != 8) raise(kUD);
  if (cr == 1) raise(kUD);
  if (s.cpl != 0) raise_gp(0);
}

}  // namespace

u64 cr4_bits(const Features& f) {
  u64 bits = kCr4Tsd | kCr4De | kCr4Pse | kCr4Pae | kCr4Mce | kCr4Pge | kCr4Pce | kCr4Osfxsr | kCr4Osxmmexcpt;
  if (f.has(Feature::Umip)) bits |= kCr4Umip;
  if (f.has(Feature::Fsgsbase)) bits |= kCr4Fsgsbase;
  if (f.has(Feature::Xsave)) bits |= kCr4Osxsave;
  if (f.has(Feature::Pcid)) bits |= kCr4Pcide;
  if (f.has(Feature::Smep)) bits |= kCr4Smep;
  if (f.has(Feature::Smap)) bits |= kCr4Smap;
  return bits;
}

u64 mov_from_cr(Exec& x, unsigned cr, unsigned gpr) {
  const CpuState& s = *x.s;
  check_cr(s, cr);
  check_intercept(x, ExitKind::CrAccess, cr | u64{gpr} << 16);
  switch (cr) {
    case 0:
      return s.cr0;
    case 2:
      return s.cr2;
    case 3:
      return s.cr3;
    case 4:
      return s.cr4;
    default:
      x.synchronize();
      return x.env->read_cr8();
  }
}

void mov_to_cr(Exec& x, unsigned cr, u64 value, unsigned gpr) {
  CpuState& s = *x.s;
  check_cr(s, cr);
  if (!s.code64()) value &= 0xffffffff;
  check_intercept(x, ExitKind::CrAccess, cr | 1 << 8 | u64{gpr} << 16, value);
  switch (cr) {
    case 0:
      return write_cr0(x, value);
    case 2:
      s.cr2 = value;
      return;
    case 3:
      return write_cr3(x, value);
    case 4:
      return write_cr4(x, value);
    default:
      x.synchronize();
      if (!x.env->write_cr8(value)) raise_gp(0);
  }
}

void clts(Exec& x) {
  CpuState& s = *x.s;
  if (s.cpl != 0) raise_gp(0);
  const u64 value = s.cr0 & ~kCr0Ts;
  check_intercept(x, ExitKind::CrAccess, 1 << 8, value);
  s.cr0 = value;
}

// Loads PE, MP, EM and TS; cannot clear PE.
void lmsw(Exec& x, u16 value) {
  CpuState& s = *x.s;
  if (s.cpl != 0) raise_gp(0);
  const u64 next = (s.cr0 & ~u64{0xe}) | (value & 0xf);
  check_intercept(x, ExitKind::CrAccess, 1 << 8, next);
  write_cr0(x, next);
}

u64 mov_from_dr(Exec& x, unsigned dr, unsigned gpr) {
  return x.s->dr[check_dr(x, dr, false, gpr)];
}

void mov_to_dr(Exec& x, unsigned dr, u64 value, unsigned gpr) {
  CpuState& s = *x.s;
  if (!s.code64()) value &= 0xffffffff;
  dr = check_dr(x, dr, true, gpr);
  if (dr >= 6 && value >> 32) raise_gp(0);
  if (dr == 6) value = (value & kDr6Writable) | kDr6Fixed;
  if (dr == 7) value = (value & kDr7Writable) | kDr7Fixed;
  s.dr[dr] = value;
  if (dr == 7) x.mmu->access_changed();
}

}  // namespace pmusim::core
