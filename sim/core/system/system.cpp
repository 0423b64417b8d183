// SPDX-License-Identifier: Apache-2.0
// Privileged and system instructions other than MSR and control-register moves (SDM Vol. 2, each
// instruction). Order of checks: #UD and privilege faults, then the VM-exit, then everything else (SDM Vol.
// 3, "Relative Priority of Faults and VM Exits"); the I/O bitmap, and RDPMC, MONITOR and MWAIT on SVM, are
// the exceptions. Not modelled: VM-exits on descriptor-table instructions, virtual-8086 mode extensions (VME,
// PVI), MWAIT's power states (its hints are ignored), MONITOR and MWAIT at CPL 3 (AMD's HWCR.MonMwaitUserEn).
#include "arch/cpuid_features.h"
#include "arch/linear_address.h"
#include "base/bits.h"
#include "core/system/exec.h"
#include "core/system/segmentation.h"

namespace pmusim::core {
namespace {

void need_cpl0(const Exec& x) {
  if (x.s->cpl != 0) raise_gp(0);
}

u64 io_qualification(u16 port, unsigned size, bool in) {
  return port | u64{size} << 16 | u64{in} << 24;
}

void set_edx_eax(CpuState& s, u64 value) {
  s.gpr[RAX] = value & 0xffffffff;
  s.gpr[RDX] = value >> 32;
}

}  // namespace

// SDM Vol. 3, "Sensitive Instructions": those that protected mode lets pass at every level.
void check_8086_iopl(const Exec& x) {
  if (x.s->virtual_8086() && x.s->iopl() < 3) raise_gp(0);
}

// I/O permission bitmap of the TSS (SDM Vol. 1, "I/O Permission Bit Map"); its #GP precedes the VM-exit. In
// virtual-8086 mode IOPL does not count.
void check_io_permission(Exec& x, u16 port, unsigned size) {
  const CpuState& s = *x.s;
  if (!s.virtual_8086() && (!s.protected_mode() || s.cpl <= s.iopl())) return;
  const Segment& tr = s.tr;
  const bool tss32 = !tr.unusable() && (tr.access & 15) >= 9;
  if (!tss32 || tr.limit < 0x67) raise_gp(0);
  const u64 offset = x.mmu->read_system(tr.base + 0x66, 2) + port / 8;
  if (offset + 1 > tr.limit) raise_gp(0);
  if (x.mmu->read_system(tr.base + offset, 2) >> (port & 7) & mask(size)) raise_gp(0);
}

void check_intercept(Exec& x, ExitKind kind, u64 qualification, u64 value) {
  if (!x.intercepts) return;
  const Intercepts& i = *x.intercepts;
  const u32 low = static_cast<u32>(qualification);
  bool exits = false;
  switch (kind) {
    case ExitKind::Rdmsr:
      exits = i.msr(low, false);
      break;
    case ExitKind::Wrmsr:
      exits = i.msr(low, true);
      break;
    case ExitKind::Io:
      exits = i.io(static_cast<u16>(low), low >> 16 & 0xff);
      break;
    case ExitKind::CrAccess:
      exits = i.cr(low & 0xff, low >> 8 & 1, value);
      break;
    default:
      exits = i.instruction(kind);
      break;
  }
  if (!exits) return;
  ExitRequest request;
  request.exit.kind = kind;
  request.exit.qualification = qualification;
  request.exit.value = value;
  throw request;
}

// VMX: CR4.PCE, the exit, the counter's number. The SDM puts "faults based on privilege level" before exits
// and names no exception for RDPMC; KVM agrees: emulate.c checks CR4.PCE before the intercept (check_rdpmc),
// and for its VMware back door vmx.c intercepts #GP to see RDPMC at CPL 3, although RDPMC exits as well.
// (KVM's handler of the exit repeats the check; that decides nothing on hardware.) SVM: all faults, then the
// exit (APM Vol. 2, 15.9).
void rdpmc(Exec& x) {
  CpuState& s = *x.s;
  const u32 ecx = static_cast<u32>(s.gpr[RCX]);
  const bool allowed = s.cpl == 0 || s.cr4 & kCr4Pce || !s.protected_mode();
  const bool faults_first = x.intercepts && x.intercepts->faults_before_intercept();
  if (!allowed) raise_gp(0);
  if (!faults_first) check_intercept(x, ExitKind::Rdpmc, ecx);
  x.synchronize();
  u64 value = 0;
  if (!x.env->rdpmc(ecx, value)) raise_gp(0);
  if (faults_first) check_intercept(x, ExitKind::Rdpmc, ecx);
  set_edx_eax(s, value);
  x.stall(Cost::Rdpmc);
}

void rdtsc(Exec& x, bool with_aux) {
  CpuState& s = *x.s;
  if (s.protected_mode() && s.cr4 & kCr4Tsd && s.cpl != 0) raise_gp(0);
  check_intercept(x, with_aux ? ExitKind::Rdtscp : ExitKind::Rdtsc);
  x.synchronize();
  set_edx_eax(s, x.env->rdtsc());
  if (with_aux) s.gpr[RCX] = s.tsc_aux & 0xffffffff;
  x.stall(Cost::Rdtsc);
}

void cpuid(Exec& x) {
  CpuState& s = *x.s;
  check_intercept(x, ExitKind::Cpuid);
  x.synchronize();
  const CpuidRegs r = x.env->cpuid(static_cast<u32>(s.gpr[RAX]), static_cast<u32>(s.gpr[RCX]));
  s.gpr[RAX] = r.eax;
  s.gpr[RBX] = r.ebx;
  s.gpr[RCX] = r.ecx;
  s.gpr[RDX] = r.edx;
  x.stall(Cost::Cpuid);
}

void hlt(Exec& x) {
  need_cpl0(x);
  check_intercept(x, ExitKind::Hlt);
  x.s->activity = Activity::Halted;
  x.stall(Cost::Hlt);
}

namespace {

// #UD without the CPUID bit (which IA32_MISC_ENABLE clears) and above CPL 0 (SDM Vol. 2, MONITOR, MWAIT; APM
// Vol. 3 likewise).
void check_monitor(Exec& x) {
  if (!cpuid::kMonitor.in(x.env->cpuid(1, 0)) || x.s->cpl != 0) raise(kUD);
}

// Extensions of MONITOR and MWAIT: all of RCX in Intel's 64-bit mode.
u64 monitor_extensions(const Exec& x) {
  const u64 rcx = x.s->gpr[RCX];
  return x.s->code64() && !x.config->amd ? rcx : static_cast<u32>(rcx);
}

}  // namespace

// No extension is defined. A byte is read, but not from what is not memory.
void monitor(Exec& x, u8 seg, u64 offset) {
  check_monitor(x);
  const bool faults_first = x.intercepts && x.intercepts->faults_before_intercept();
  if (!faults_first) check_intercept(x, ExitKind::Monitor);
  if (monitor_extensions(x)) raise_gp(0);
  const u64 linear = linear_address(*x.s, seg, offset, 1, false);
  x.mmu->probe_read(linear, 1);
  if (faults_first) check_intercept(x, ExitKind::Monitor);
  const u64 physical = x.mmu->place(linear).physical;
  if (physical != kNever) x.env->monitor(physical);
}

// ECX bit 0, an interrupt ends the wait even if masked, needs bits 0 and 1 of CPUID.05H:ECX.
void mwait(Exec& x) {
  check_monitor(x);
  const bool faults_first = x.intercepts && x.intercepts->faults_before_intercept();
  if (!faults_first) check_intercept(x, ExitKind::Mwait);
  const u64 extensions = monitor_extensions(x);
  const u64 defined = (x.env->cpuid(5, 0).ecx & 3) == 3;
  if (extensions & ~defined) raise_gp(0);
  if (faults_first) check_intercept(x, ExitKind::Mwait);
  x.synchronize();
  if (x.env->monitor_armed()) x.s->activity = extensions ? Activity::WaitingMasked : Activity::Waiting;
  x.stall(Cost::Hlt);
}

void cli(Exec& x) {
  CpuState& s = *x.s;
  if (s.protected_mode() && s.cpl > s.iopl()) raise_gp(0);
  s.rflags &= ~kIF;
}

void sti(Exec& x) {
  CpuState& s = *x.s;
  if (s.protected_mode() && s.cpl > s.iopl()) raise_gp(0);
  if (!(s.rflags & kIF)) s.interrupt_shadow = true;
  s.rflags |= kIF;
}

void popf_value(Exec& x, u64 value, unsigned operand_size) {
  CpuState& s = *x.s;
  u64 changed = kArithmeticFlags | kTF | kDFlag | kNT;
  if (operand_size >= 4) {
    changed |= kACFlag | kID | kRF;
    value &= ~kRF;
  }
  if (!s.protected_mode() || s.cpl <= s.iopl()) changed |= kIF;
  if (s.cpl == 0) changed |= kIopl;
  s.rflags = (s.rflags & ~changed) | (value & changed) | kFixed1;
  x.mmu->access_changed();
}

u64 pushf_value(Exec& x) {
  return x.s->rflags & ~(kRF | kVM);
}

void load_descriptor_table(Exec& x, bool interrupt_table, u64 linear, unsigned operand_size) {
  CpuState& s = *x.s;
  need_cpl0(x);
  DescriptorTable t;
  t.limit = x.mmu->read<u16>(linear);
  if (s.code64()) {
    t.base = x.mmu->read<u64>(linear + 2);
    if (!canonical(t.base)) raise_gp(0);
  } else {
    t.base = x.mmu->read<u32>(linear + 2);
    if (operand_size == 2) t.base &= 0xffffff;
  }
  (interrupt_table ? s.idtr : s.gdtr) = t;
}

void store_descriptor_table(Exec& x, bool interrupt_table, u64 linear, unsigned) {
  CpuState& s = *x.s;
  const DescriptorTable& t = interrupt_table ? s.idtr : s.gdtr;
  x.mmu->probe_write(linear, s.code64() ? 10 : 6);
  x.mmu->write<u16>(linear, t.limit);
  if (s.code64())
    x.mmu->write<u64>(linear + 2, t.base);
  else
    x.mmu->write<u32>(linear + 2, static_cast<u32>(t.base));
}

void invlpg(Exec& x, u64 linear) {
  need_cpl0(x);
  check_intercept(x, ExitKind::Invlpg, linear);
  x.mmu->flush_page(linear);
  x.timing->flush_translation(linear);
}

// SDM Vol. 2, INVPCID. Translations are not kept apart by PCID (mmu.h), so every type but one address flushes
// more than asked for.
void invpcid(Exec& x, u64 type, u64 linear) {
  const CpuState& s = *x.s;
  need_cpl0(x);
  const u64 pcid = x.mmu->read<u64>(linear), address = x.mmu->read<u64>(linear + 8);
  if (type > 3 || pcid >> 12) raise_gp(0);
  if (type < 2 && pcid && !(s.cr4 & kCr4Pcide)) raise_gp(0);
  if (type == 0 && !canonical(address)) raise_gp(0);
  if (type == 0) {
    x.mmu->flush_page(address);
    x.timing->flush_translation(address);
  } else if (type == 2) {
    x.flush_current();
  } else {
    x.flush_non_global();
  }
}

void invalidate_caches(Exec& x, bool write_back) {
  need_cpl0(x);
  check_intercept(x, write_back ? ExitKind::Wbinvd : ExitKind::Invd);
  x.timing->flush_caches();
}

void clflush(Exec& x, u64 linear) {
  x.mmu->probe_read(linear, 1);
  const u64 physical = x.mmu->place(linear).physical;
  if (physical != kNever) x.timing->flush_line(physical);
  x.stall(Cost::Clflush);
}

u64 in(Exec& x, u16 port, unsigned size) {
  check_io_permission(x, port, size);
  check_intercept(x, ExitKind::Io, io_qualification(port, size, true));
  x.mmu->check_io_breakpoints(port, size);
  x.synchronize();
  const u64 value = x.env->io_read(port, size) & mask(size * 8);
  x.stall(Cost::Io);
  return value;
}

void out(Exec& x, u16 port, u64 value, unsigned size) {
  check_io_permission(x, port, size);
  value &= mask(size * 8);
  check_intercept(x, ExitKind::Io, io_qualification(port, size, false), value);
  x.mmu->check_io_breakpoints(port, size);
  x.synchronize();
  x.env->io_write(port, value, size);
  x.stall(Cost::Io);
}

void vmcall(Exec& x, bool amd_encoding) {
  if (!x.intercepts || amd_encoding != x.config->amd) raise(kUD);
  check_intercept(x, ExitKind::Vmcall);
  raise(kUD);  // SVM: VMMCALL that is not intercepted
}

u64 rdpid(Exec& x) {
  return x.s->tsc_aux & 0xffffffff;
}

}  // namespace pmusim::core
