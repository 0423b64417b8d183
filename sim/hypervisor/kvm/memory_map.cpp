// SPDX-License-Identifier: Apache-2.0
// Memory slots.
#include "hypervisor/kvm/memory_map.h"

#include <algorithm>

namespace pmusim::hv {

core::SecondStage::Result MemoryMap::translate(u64 guest_physical) const {
  for (const Slot& s : slots_)
    if (guest_physical - s.guest_physical < s.size)
      return {true, true, s.host_physical + (guest_physical - s.guest_physical)};
  return {};
}

const MemoryMap::Slot* MemoryMap::find_id(u32 id) const {
  for (const Slot& s : slots_)
    if (s.id == id) return &s;
  return nullptr;
}

bool MemoryMap::overlaps(u64 guest_physical, u64 size, u32 except_id) const {
  return std::any_of(slots_.begin(), slots_.end(), [&](const Slot& s) {
    return s.id != except_id && guest_physical < s.guest_physical + s.size &&
           s.guest_physical < guest_physical + size;
  });
}

void MemoryMap::add(const Slot& slot) {
  slots_.push_back(slot);
}

void MemoryMap::remove(u32 id) {
  slots_.erase(std::remove_if(slots_.begin(), slots_.end(), [&](const Slot& s) { return s.id == id; }),
               slots_.end());
}

}  // namespace pmusim::hv
