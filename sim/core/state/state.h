// SPDX-License-Identifier: Apache-2.0
// Architectural state of one logical processor: plain data, copied on VM-entry, save and restore.
// Not modelled: AVX and later registers, shadow stacks, protection keys, SMM.
#pragma once

#include "arch/vector.h"
#include "base/archive.h"
#include "base/types.h"
#include "core/state/fpu.h"

namespace pmusim::core {

enum Gpr : u8 { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };
enum Seg : u8 { ES, CS, SS, DS, FS, GS };

// Segment register with its hidden part. Access rights in the VMCS format (SDM Vol. 3, "Guest Register
// State"): type 3:0, S 4, DPL 6:5, P 7, AVL 12, L 13, D/B 14, G 15, unusable 16. limit is in bytes, already
// scaled.
struct Segment {
  u64 base = 0;
  u32 limit = 0xffff;
  u32 access = 0;
  u16 selector = 0;
  void archive(Archive& a) { a(base, limit, access, selector); }

  bool unusable() const { return access >> 16 & 1; }
  bool long_mode() const { return access >> 13 & 1; }
  bool big() const { return access >> 14 & 1; }
  u8 dpl() const { return access >> 5 & 3; }
};

struct DescriptorTable {
  u64 base = 0;
  u16 limit = 0xffff;
  void archive(Archive& a) { a(base, limit); }
};

// Waiting: by MWAIT; the second also ends it with an interrupt that IF masks.
enum class Activity : u8 { Running, Halted, Shutdown, WaitForSipi, Waiting, WaitingMasked };

// RFLAGS bits.
inline constexpr u64 kCF = 1 << 0, kFixed1 = 1 << 1, kPFlag = 1 << 2, kAF = 1 << 4, kZF = 1 << 6,
                     kSF = 1 << 7, kTF = 1 << 8, kIF = 1 << 9, kDFlag = 1 << 10, kOFlag = 1 << 11,
                     kIopl = 3 << 12, kNT = 1 << 14, kRF = 1 << 16, kVM = 1 << 17, kACFlag = 1 << 18,
                     kVIF = 1 << 19, kVIP = 1 << 20, kID = 1 << 21;
inline constexpr u64 kArithmeticFlags = kCF | kPFlag | kAF | kZF | kSF | kOFlag;

// Control-register and EFER bits.
inline constexpr u64 kCr0Pe = 1, kCr0Mp = 1 << 1, kCr0Em = 1 << 2, kCr0Ts = 1 << 3, kCr0Et = 1 << 4,
                     kCr0Ne = 1 << 5, kCr0Wp = 1 << 16, kCr0Am = 1 << 18, kCr0Nw = 1 << 29, kCr0Cd = 1 << 30,
                     kCr0Pg = u64{1} << 31;
inline constexpr u64 kCr4Tsd = 1 << 2, kCr4De = 1 << 3, kCr4Pse = 1 << 4, kCr4Pae = 1 << 5, kCr4Mce = 1 << 6,
                     kCr4Pge = 1 << 7, kCr4Pce = 1 << 8, kCr4Osfxsr = 1 << 9, kCr4Osxmmexcpt = 1 << 10,
                     kCr4Umip = 1 << 11, kCr4Fsgsbase = 1 << 16, kCr4Pcide = 1 << 17, kCr4Osxsave = 1 << 18,
                     kCr4Smep = 1 << 20, kCr4Smap = 1 << 21;
inline constexpr u64 kEferSce = 1, kEferLme = 1 << 8, kEferLma = 1 << 10, kEferNxe = 1 << 11,
                     kEferSvme = 1 << 12;

struct CpuState {
  u64 gpr[16] = {};
  u64 rip = 0;
  u64 rflags = kFixed1;
  Segment seg[6];
  Segment ldtr, tr;
  DescriptorTable gdtr, idtr;
  u64 cr0 = kCr0Et, cr2 = 0, cr3 = 0, cr4 = 0, efer = 0;
  u64 dr[8] = {0, 0, 0, 0, 0, 0, 0xffff0ff0, 0x400};
  u64 star = 0, lstar = 0, cstar = 0, sfmask = 0, kernel_gs_base = 0, tsc_aux = 0;
  u64 sysenter_cs = 0, sysenter_esp = 0, sysenter_eip = 0;
  u64 pat = 0x0007040600070406;
  u8 cpl = 0;
  bool interrupt_shadow = false;  // STI, MOV SS, POP SS: one more instruction before an interrupt
  bool debug_shadow = false;      // MOV SS, POP SS: and before a debug trap
  bool nmi_blocked = false;       // from NMI delivery to IRET
  u64 repeat_flags = 0;  // within a repeated comparison: RFLAGS before it, for a fault (string_ops.h)
  Activity activity = Activity::Running;
  FpuState fpu;
  void archive(Archive& a) {
    a(gpr, rip, rflags, seg, ldtr, tr, gdtr, idtr, cr0, cr2, cr3, cr4, efer, dr);
    a(star, lstar, cstar, sfmask, kernel_gs_base, tsc_aux, sysenter_cs, sysenter_esp, sysenter_eip, pat);
    a(cpl, interrupt_shadow, debug_shadow, nmi_blocked, repeat_flags, activity, fpu);
  }

  bool long_mode() const { return efer & kEferLma; }
  bool code64() const { return long_mode() && seg[CS].long_mode(); }
  bool protected_mode() const { return cr0 & kCr0Pe; }
  bool paging() const { return cr0 & kCr0Pg; }
  bool virtual_8086() const { return rflags & kVM; }
  // In real-address and virtual-8086 mode a segment's base is its selector times 16.
  bool real_segments() const { return !protected_mode() || virtual_8086(); }
  u8 iopl() const { return static_cast<u8>(rflags >> 12 & 3); }
  bool waiting() const { return activity == Activity::Waiting || activity == Activity::WaitingMasked; }
};

// State after RESET or INIT (SDM Vol. 3, "Processor State After Reset"); CS:IP = F000:FFF0. INIT keeps x87
// and SSE state.
void reset(CpuState& state);
void init(CpuState& state);

}  // namespace pmusim::core
