// SPDX-License-Identifier: Apache-2.0
// Linear addresses of 64-bit mode have 48 bits, sign-extended (SDM Vol. 1, "Canonical Addressing"). Not
// modelled: 57 bits (LA57).
#pragma once

#include "base/bits.h"

namespace pmusim {

constexpr bool canonical(u64 linear) {
  return sign_extend(linear, 48) == linear;
}

}  // namespace pmusim
