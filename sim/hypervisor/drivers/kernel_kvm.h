// SPDX-License-Identifier: Apache-2.0
// The KVM API on the real kernel: ioctls on /dev/kvm. Each vCPU runs on a thread of its own. Time limits are
// wall time; a run that exceeds its limit is ended by a signal to the vCPU's thread. Only for x86-64 Linux.
#pragma once

#include <memory>

#include "hypervisor/api/kvm_api.h"

namespace pmusim::hv {

// Opens /dev/kvm; throws InputError if it cannot be used, saying why.
std::unique_ptr<kvm::Hypervisor> open_kernel_kvm();

}  // namespace pmusim::hv
