// SPDX-License-Identifier: Apache-2.0
// The CPU that this program runs on. Results never depend on it; what is compared with it, or run on its
// kernel, has to know whose it is.
#pragma once

#include <string>

namespace pmusim {

// "intel", "amd" (Hygon's too), or "" for another vendor.
std::string host_vendor();

}  // namespace pmusim
