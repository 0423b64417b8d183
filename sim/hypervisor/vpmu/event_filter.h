// SPDX-License-Identifier: Apache-2.0
// KVM_SET_PMU_EVENT_FILTER: which events a VM's counters may count. Checks and matching as
// arch/x86/kvm/pmu.c.
#pragma once

#include <memory>
#include <vector>

#include "pmu/registers.h"

namespace pmusim::hv {

// As struct kvm_pmu_event_filter, `nevents` being what the caller claims (checked before `events` is read).
struct EventFilterRequest {
  u32 action = 0;  // 0 allow, 1 deny
  u32 nevents = 0;
  u32 fixed_counter_bitmap = 0;
  u32 flags = 0;  // bit 0: masked events
  std::vector<u64> events;
};
inline constexpr u32 kFilterAllow = 0, kFilterDeny = 1, kFilterMaskedEvents = 1, kFilterMaxEvents = 300;

// An installed filter; never changed, only replaced.
struct EventFilter {
  struct Entry {
    u16 select;
    u8 mask, match;
    bool exclude;
  };
  pmu::Vendor vendor = pmu::Vendor::Intel;
  u32 action = kFilterDeny;
  u32 fixed_bitmap = 0;
  std::vector<Entry> entries;

  bool allows_gp(u64 selector) const;
  bool allows_fixed(unsigned index) const;
  u16 select_of(u64 value) const;  // event select: 7:0, on AMD also 35:32
};

// The ioctl: 0 and a new filter, or a negative errno and `filter` unchanged.
int make_event_filter(const EventFilterRequest& request, pmu::Vendor vendor,
                      std::shared_ptr<const EventFilter>& filter);

}  // namespace pmusim::hv
