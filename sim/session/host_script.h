// SPDX-License-Identifier: Apache-2.0
// What a run may do besides executing its image: shape the machine before it exists, and act on the host of a
// VM at the image's word. Cases and scenarios have such scripts.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "arch/cpuid.h"

namespace pmusim::hv {
class SimulatedKvm;
class Vmm;
}  // namespace pmusim::hv

namespace pmusim::session {

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

// A leaf that the table lacks is added.
void edit_cpuid(const std::vector<CpuidEdit>& edits, CpuidTable& table);

// One performance of a script, on the host of one VM. It lives as long as the VM, which may be longer than
// the script: nothing is called after the run.
class HostActions {
 public:
  virtual ~HostActions() = default;
  virtual void set_up_host() = 0;    // before there is a VM
  virtual void set_up() = 0;         // of the VM, which exists but has not run
  virtual u32 ring(u32 number) = 0;  // the image wrote that to the doorbell port; what it reads there
};

class HostScript {
 public:
  virtual ~HostScript() = default;
  // Of the machine; InputError for what is wrong in the script.
  virtual MachineSetup machine() const = 0;
  // simulated: nullptr where the host is a real kernel, whose perf subsystem is not ours to disturb.
  virtual std::unique_ptr<HostActions> begin(hv::Vmm& vmm, hv::SimulatedKvm* simulated) const = 0;
};

}  // namespace pmusim::session
