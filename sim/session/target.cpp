// SPDX-License-Identifier: Apache-2.0
// What a run wants of the machine before it exists.
#include "session/target.h"

#include "arch/cpuid_features.h"

namespace pmusim::session {
namespace {

// What QEMU's pmu=off leaves out: leaf 0AH and PDCM on Intel, PerfMonV2 and the six counters of
// PerfCtrExtCore on AMD, whose four K7 counters no bit enumerates.
const std::vector<CpuidEdit>& without_pmu() {
  const auto all_of = [](u32 CpuidRegs::*reg) { return CpuidEdit{"intel", 0xa, 0, reg, ~0u, 0}; };
  const auto bit_of = [](const char* vendor, const CpuidBit& bit) {
    return CpuidEdit{vendor, bit.leaf, bit.subleaf, bit.reg, bit.mask(), 0};
  };
  static const std::vector<CpuidEdit> edits = {
      all_of(&CpuidRegs::eax),          all_of(&CpuidRegs::ebx),       all_of(&CpuidRegs::ecx),
      all_of(&CpuidRegs::edx),          bit_of("intel", cpuid::kPdcm), bit_of("amd", cpuid::kPerfCtrExtCore),
      bit_of("amd", cpuid::kPerfMonV2),
  };
  return edits;
}

}  // namespace

MachineSetup TargetRun::machine_setup() const {
  MachineSetup setup = script ? script->machine() : MachineSetup();
  if (!hide_pmu) return setup;
  setup.disable_pmu = true;
  setup.cpuid.insert(setup.cpuid.end(), without_pmu().begin(), without_pmu().end());
  return setup;
}

}  // namespace pmusim::session
