// SPDX-License-Identifier: Apache-2.0
// Edits of CPUID tables.
#include "session/host_script.h"

namespace pmusim::session {
namespace {
constexpr u32 kGenu = 0x756e6547;  // EBX of leaf 0 on Intel CPUs
}

void edit_cpuid(const std::vector<CpuidEdit>& edits, CpuidTable& table) {
  const bool intel = table.read(0, 0).ebx == kGenu;
  for (const CpuidEdit& edit : edits) {
    if (!edit.vendor.empty() && (edit.vendor == "intel") != intel) continue;
    CpuidEntry* entry = table.find(edit.leaf, edit.subleaf);
    CpuidRegs& regs = entry ? entry->regs : table.set(edit.leaf, edit.subleaf, {});
    regs.*edit.reg = (regs.*edit.reg & ~edit.clear) | edit.set;
  }
}

}  // namespace pmusim::session
