// SPDX-License-Identifier: Apache-2.0
// Looking an address up among the places of register models, for those that call models directly.
#pragma once

#include <vector>

#include "platform/devices/register_model.h"

namespace pmusim::platform {

// The model at an address, with the offset in it; nullptr: none, or the access crosses its end.
inline RegisterModel* find_model(const std::vector<Place>& places, u64 address, unsigned size, u64& offset) {
  for (const Place& p : places)
    if (address >= p.base && address - p.base < p.size && size <= p.size - (address - p.base)) {
      offset = address - p.base;
      return p.model;
    }
  return nullptr;
}

}  // namespace pmusim::platform
