// SPDX-License-Identifier: Apache-2.0
// A VM's guest-physical memory: slots as KVM_SET_USER_MEMORY_REGION makes them, and the second stage (EPT,
// NPT) over them. Every page of a slot is mapped at once and writable: KVM's lazy faults and dirty logging
// are not modelled.
#pragma once

#include <vector>

#include "core/memory/ram.h"

namespace pmusim::hv {

class MemoryMap final : public core::SecondStage {
 public:
  struct Slot {
    u32 id;
    u64 guest_physical, size, host_physical;
    u64 user_address;
  };
  Result translate(u64 guest_physical) const override;
  const Slot* find_id(u32 id) const;
  bool overlaps(u64 guest_physical, u64 size, u32 except_id) const;
  void add(const Slot& slot);
  void remove(u32 id);
  const std::vector<Slot>& slots() const { return slots_; }

 private:
  std::vector<Slot> slots_;
};

}  // namespace pmusim::hv
