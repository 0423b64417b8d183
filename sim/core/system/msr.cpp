// SPDX-License-Identifier: Apache-2.0
// RDMSR, WRMSR and the MSRs that are core state (SDM Vol. 2, RDMSR and WRMSR; Vol. 4, "Architectural MSRs").
// Privilege faults come before the VM-exit, the VM-exit before every other fault (SDM Vol. 3, "Relative
// Priority of Faults and VM Exits"; APM Vol. 2, 15.11: the map is checked before MSR-specific faults). All
// other MSRs, those of the PMU among them, are the environment's.
#include "arch/msr.h"
#include "arch/linear_address.h"
#include "base/bits.h"
#include "core/state/state_msr.h"
#include "core/system/exec.h"
#include "core/system/segmentation.h"

namespace pmusim::core {
u64* state_msr(CpuState& s, u32 index) {
  switch (index) {
    case msr::kStar:
      return &s.star;
    case msr::kLstar:
      return &s.lstar;
    case msr::kCstar:
      return &s.cstar;
    case msr::kSfmask:
      return &s.sfmask;
    case msr::kFsBase:
      return &s.seg[FS].base;
    case msr::kGsBase:
      return &s.seg[GS].base;
    case msr::kKernelGsBase:
      return &s.kernel_gs_base;
    case msr::kTscAux:
      return &s.tsc_aux;
    case msr::kSysenterCs:
      return &s.sysenter_cs;
    case msr::kSysenterEsp:
      return &s.sysenter_esp;
    case msr::kSysenterEip:
      return &s.sysenter_eip;
    case msr::kPat:
      return &s.pat;
    default:
      return nullptr;
  }
}

bool msr_needs_canonical(u32 index) {
  switch (index) {
    case msr::kLstar:
    case msr::kCstar:
    case msr::kFsBase:
    case msr::kGsBase:
    case msr::kKernelGsBase:
    case msr::kSysenterEsp:
    case msr::kSysenterEip:
      return true;
    default:
      return false;
  }
}

// "Memory Cache Control: Page Attribute Table": types 2, 3 and above 7 are reserved.
bool valid_pat(u64 value) {
  for (unsigned i = 0; i < 64; i += 8) {
    const u64 type = value >> i & 0xff;
    if (type > 7 || type == 2 || type == 3) return false;
  }
  return true;
}

namespace {

// nullptr: not one of the core's, or not on this CPU.
u64* storage(CpuState& s, const CoreConfig& config, u32 index) {
  const bool has_aux = config.features.has(Feature::Rdtscp) || config.features.has(Feature::Rdpid);
  return index == msr::kTscAux && !has_aux ? nullptr : state_msr(s, index);
}

void write_efer(Exec& x, u64 value) {
  CpuState& s = *x.s;
  const bool can_disable_execution = (x.config->features & x.config->enumerated).has(Feature::Nx);
  const u64 allowed = kEferSce | kEferLme | kEferLma | (can_disable_execution ? kEferNxe : 0) |
                      (x.config->amd ? kEferSvme : 0);
  if (value & ~allowed) raise_gp(0);
  if (s.paging() && (value ^ s.efer) & kEferLme) raise_gp(0);
  const u64 next = (value & ~kEferLma) | (s.efer & kEferLma);  // LMA is read-only
  const bool flush = (next ^ s.efer) & kEferNxe;
  s.efer = next;
  if (flush) x.flush_current();
  x.env->wrmsr(msr::kEfer, next);  // the PMU wants to know SVME
}

}  // namespace

void rdmsr(Exec& x) {
  CpuState& s = *x.s;
  if (s.cpl != 0) raise_gp(0);
  const u32 index = static_cast<u32>(s.gpr[RCX]);
  check_intercept(x, ExitKind::Rdmsr, index);
  x.synchronize();
  u64 value = 0;
  if (index == msr::kEfer)
    value = s.efer;
  else if (const u64* own = storage(s, *x.config, index))
    value = *own;
  else if (index == msr::kTscAux || !x.env->rdmsr(index, value))
    raise_gp(0);
  s.gpr[RAX] = value & 0xffffffff;
  s.gpr[RDX] = value >> 32;
  x.stall(Cost::Rdmsr);
}

void wrmsr(Exec& x) {
  CpuState& s = *x.s;
  if (s.cpl != 0) raise_gp(0);
  const u32 index = static_cast<u32>(s.gpr[RCX]);
  const u64 value = (s.gpr[RAX] & 0xffffffff) | s.gpr[RDX] << 32;
  check_intercept(x, ExitKind::Wrmsr, index, value);
  x.synchronize();
  if (index == msr::kEfer) {
    write_efer(x, value);
  } else if (u64* own = storage(s, *x.config, index)) {
    if (msr_needs_canonical(index) && !canonical(value)) raise_gp(0);
    if (index == msr::kPat && !valid_pat(value)) raise_gp(0);
    if (index == msr::kTscAux && value >> 32) raise_gp(0);
    *own = value;
  } else if (index == msr::kTscAux || !x.env->wrmsr(index, value)) {
    raise_gp(0);
  }
  x.stall(Cost::Wrmsr);
}

}  // namespace pmusim::core
