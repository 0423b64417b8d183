// SPDX-License-Identifier: Apache-2.0
// SHA-256 (FIPS 180-4), to name a file by what is in it.
#pragma once

#include <string>
#include <vector>

#include "base/types.h"

namespace pmusim {

std::string sha256(const std::vector<u8>& bytes);  // 64 hexadecimal digits, as sha256sum prints them

}  // namespace pmusim
