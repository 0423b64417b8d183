// SPDX-License-Identifier: Apache-2.0
// Reading a CPUID table, with the answer to leaves out of range: an Intel CPU returns the data of the highest
// basic leaf, others return zero (SDM Vol. 1, "Processor Identification and Feature Determination"; KVM's
// get_out_of_range_cpuid_entry does the same for its guests).
#include "arch/cpuid.h"

namespace pmusim {
namespace {

constexpr u32 kHypervisorBase = 0x40000000, kExtendedBase = 0x80000000, kClassMask = 0xf0000000;

const CpuidEntry* lookup(const std::vector<CpuidEntry>& entries, u32 leaf, u32 subleaf) {
  for (const CpuidEntry& e : entries)
    if (e.leaf == leaf && (!e.subleaf_matters || e.subleaf == subleaf)) return &e;
  return nullptr;
}

// "Genu" in EBX of leaf 0.
bool is_intel(const std::vector<CpuidEntry>& entries) {
  const CpuidEntry* e = lookup(entries, 0, 0);
  return e && e->regs.ebx == 0x756e6547;
}

bool in_range(const std::vector<CpuidEntry>& entries, u32 leaf) {
  u32 base = 0;
  if (leaf >= kExtendedBase)
    base = kExtendedBase;
  else if ((leaf & kClassMask) == kHypervisorBase && lookup(entries, kHypervisorBase, 0))
    base = kHypervisorBase;
  const CpuidEntry* first = lookup(entries, base, 0);
  return first && leaf <= first->regs.eax;
}

}  // namespace

CpuidRegs CpuidTable::read(u32 leaf, u32 subleaf) const {
  const CpuidEntry* e = lookup(entries, leaf, subleaf);
  if (!e && is_intel(entries) && !in_range(entries, leaf)) {
    const CpuidEntry* basic = lookup(entries, 0, 0);
    e = lookup(entries, basic->regs.eax, subleaf);
  }
  return e ? e->regs : CpuidRegs{};
}

unsigned physical_address_bits(const CpuidTable& cpuid) {
  const unsigned bits = in_range(cpuid.entries, 0x80000008) ? cpuid.read(0x80000008, 0).eax & 0xff : 0;
  return bits ? bits : 36;
}

CpuidEntry* CpuidTable::find(u32 leaf, u32 subleaf) {
  return const_cast<CpuidEntry*>(lookup(entries, leaf, subleaf));
}

void CpuidTable::set(const CpuidBit& bit, bool on) {
  if (CpuidEntry* entry = find(bit.leaf, bit.subleaf)) bit.set(entry->regs, on);
}

CpuidRegs& CpuidTable::set(u32 leaf, u32 subleaf, CpuidRegs regs) {
  for (CpuidEntry& e : entries)
    if (e.leaf == leaf && e.subleaf == subleaf) return e.regs = regs;
  // A second subleaf of a leaf makes the subleaf significant for all of them.
  bool several = subleaf != 0;
  for (CpuidEntry& e : entries)
    if (e.leaf == leaf) e.subleaf_matters = several = true;
  entries.push_back({leaf, subleaf, several, regs});
  return entries.back().regs;
}

}  // namespace pmusim
