// SPDX-License-Identifier: Apache-2.0
// Scripts in JSON: what the host does before the guest starts ("setup") and when the guest rings the
// doorbell. Steps are calls of the KVM API, and, on a simulated host, of its perf subsystem. A step's status
// is 0 or a positive errno; steps that this host cannot perform answer as if nobody were there, so that the
// guest skips what depends on them. Some of the set-up shapes the machine before it exists: what the VMM
// takes away from the vCPU's CPUID, whether the VM has a PMU at all, and whether KVM's forced-emulation
// prefix is on. The CPUID edits also hold for bare metal, which then is hardware with those features only;
// the other two need a hypervisor and change nothing there.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "session/host_script.h"

namespace pmusim::session {

struct HostStep {
  u32 number = 0;       // what the guest writes to the doorbell port; for setup its index
  std::string verb;     // "set_filter", "set_msr", ...
  std::string pointer;  // JSON pointer of the verb's arguments in the document
};

bool is_machine_setup(const std::string& verb);

class StepScript final : public HostScript {
 public:
  std::shared_ptr<const JsonDocument> document;
  std::vector<HostStep> setup, steps;  // steps: in the order of their numbers

  // As they stand in the document.
  JsonView arguments(const HostStep& step) const;

  MachineSetup machine() const override;
  std::unique_ptr<HostActions> begin(hv::Vmm& vmm, hv::SimulatedKvm* simulated) const override;
};

}  // namespace pmusim::session
