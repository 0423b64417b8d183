// SPDX-License-Identifier: Apache-2.0
// A bootable image of a few bytes of 32-bit code.
#pragma once

#include <string>
#include <vector>

#include "base/types.h"

namespace pmusim::test {

// Writes folder/name.elf, a Multiboot image whose code is entered at 100000h, and returns its path.
std::string small_image(const std::string& folder, const std::string& name, const std::vector<u8>& code);

}  // namespace pmusim::test
