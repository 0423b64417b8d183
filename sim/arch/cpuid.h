// SPDX-License-Identifier: Apache-2.0
// CPUID as data: the leaves of a CPU or of a vCPU model.
#pragma once

#include <vector>

#include "base/types.h"

namespace pmusim {

struct CpuidRegs {
  u32 eax = 0, ebx = 0, ecx = 0, edx = 0;
};

// One bit of CPUID; cpuid_features.h names them.
struct CpuidBit {
  u32 leaf, subleaf;
  u32 CpuidRegs::*reg;
  unsigned number;

  constexpr u32 mask() const { return u32{1} << number; }
  constexpr bool in(const CpuidRegs& regs) const { return regs.*reg & mask(); }
  // In the registers of its leaf.
  constexpr void set(CpuidRegs& regs, bool on = true) const {
    regs.*reg = on ? regs.*reg | mask() : regs.*reg & ~mask();
  }
};

struct CpuidEntry {
  u32 leaf = 0;
  u32 subleaf = 0;
  bool subleaf_matters = false;  // as KVM_CPUID_FLAG_SIGNIFCANT_INDEX
  CpuidRegs regs;
};

// A table of leaves, as KVM_SET_CPUID2 takes it. A leaf that is absent reads as all zero; a basic leaf above
// the maximum reads as Intel CPUs do (the highest basic leaf) only where the vendor does so.
class CpuidTable {
 public:
  std::vector<CpuidEntry> entries;

  CpuidRegs read(u32 leaf, u32 subleaf) const;
  bool has(const CpuidBit& bit) const { return bit.in(read(bit.leaf, bit.subleaf)); }
  void set(const CpuidBit& bit, bool on = true);          // where the leaf is there
  CpuidEntry* find(u32 leaf, u32 subleaf);                // nullptr if absent
  CpuidRegs& set(u32 leaf, u32 subleaf, CpuidRegs regs);  // replaces or adds
};

// Physical-address bits: leaf 80000008H, or 36 (SDM Vol. 3, "Enumeration of Paging Features by CPUID").
unsigned physical_address_bits(const CpuidTable& cpuid);

}  // namespace pmusim
