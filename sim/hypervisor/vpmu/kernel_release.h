// SPDX-License-Identifier: Apache-2.0
// Which release of KVM's vPMU is modelled: a choice of rule layer and of small behaviours. The schemas of
// policies and cases repeat the names.
#pragma once

#include <string>
#include <vector>

#include "base/types.h"

namespace pmusim::hv {

enum class KernelRelease : u8 { V6_12, V7_0, V7_2, Number };
inline constexpr KernelRelease kDefaultRelease = KernelRelease::V7_2;

const char* release_name(KernelRelease release);         // "6.12"
const std::vector<std::string>& release_names();         // in the order of KernelRelease
KernelRelease release_by_name(const std::string& name);  // throws InputError with the valid names

}  // namespace pmusim::hv
