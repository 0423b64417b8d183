// SPDX-License-Identifier: Apache-2.0
// Conversions between the simulator's architectural state and KVM's structs.
#pragma once

#include "core/state/state.h"
#include "hypervisor/api/kvm_api.h"

namespace pmusim::hv {

kvm::Segment to_kvm(const core::Segment& segment);
core::Segment from_kvm(const kvm::Segment& segment);
// What KVM_SET_REGS and KVM_SET_SREGS carry, except CR8 and the APIC base.
void to_kvm(const core::CpuState& state, kvm::Regs& regs, kvm::Sregs& sregs);

}  // namespace pmusim::hv
