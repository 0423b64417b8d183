// SPDX-License-Identifier: Apache-2.0
// The steps of a case's "setup" that shape the machine before it exists: what the VMM takes away from the
// vCPU's CPUID, whether the VM has a PMU at all, and whether KVM's forced-emulation prefix is on. The CPUID
// edits also hold for bare metal, which then is hardware with those features only; the other two need a
// hypervisor and change nothing there.
#pragma once

#include <string>
#include <vector>

#include "arch/cpuid.h"
#include "conformance/language/case.h"

namespace pmusim::conformance {

struct CpuidEdit {
  std::string vendor;  // "intel", "amd" or "" (both)
  u32 leaf = 0, subleaf = 0;
  u32 CpuidRegs::*reg = nullptr;
  u32 clear = 0, set = 0;
};

struct MachineSetup {
  bool disable_pmu = false;       // KVM_CAP_PMU_CAPABILITY with KVM_PMU_CAP_DISABLE
  bool forced_emulation = false;  // kvm.force_emulation_prefix; a real kernel has it or not
  std::vector<CpuidEdit> cpuid;   // in order
};

bool is_machine_setup(const std::string& verb);
// Throws InputError for wrong arguments. nullptr: no case, nothing special.
MachineSetup machine_setup(const Case* c);
// A leaf that the table lacks is added.
void edit_cpuid(const std::vector<CpuidEdit>& edits, CpuidTable& table);

}  // namespace pmusim::conformance
