// SPDX-License-Identifier: Apache-2.0
// What the simulated and the real KVM have in common as targets: the virtual machine monitor around an image.
#pragma once

#include <functional>
#include <memory>

#include "hypervisor/drivers/vmm.h"
#include "session/target.h"

namespace pmusim::hv {
class SimulatedKvm;
}

namespace pmusim::session {

// Boots the image in a VM and serves it until it ends. `vmm` outlives the call, for statistics. simulated:
// nullptr on a real kernel.
hv::VmmResult run_vmm(const TargetRun& run, std::unique_ptr<hv::Vmm>& vmm, kvm::Hypervisor& hypervisor,
                      hv::SimulatedKvm* simulated, const std::function<void()>& created);

// Serial text and end.
void describe(const hv::VmmResult& result, Observation& seen);

}  // namespace pmusim::session
