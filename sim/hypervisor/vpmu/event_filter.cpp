// SPDX-License-Identifier: Apache-2.0
// kvm_vm_ioctl_set_pmu_event_filter and check_pmu_event_filter (arch/x86/kvm/pmu.c).
#include "hypervisor/vpmu/event_filter.h"

#include <cerrno>

#include "base/bits.h"

namespace pmusim::hv {
namespace {

constexpr u64 kHighSelect = u64{0xf} << 32;  // AMD's event select 11:8
constexpr u64 kExclude = bit(55);

u64 select_bits(pmu::Vendor vendor) {
  return 0xff | (vendor == pmu::Vendor::Amd ? kHighSelect : 0);
}

u16 select(u64 value, pmu::Vendor vendor) {
  value &= select_bits(vendor);
  return static_cast<u16>(bits(value, 7, 0) | bits(value, 35, 32) << 8);
}

}  // namespace

u16 EventFilter::select_of(u64 value) const {
  return select(value, vendor);
}

bool EventFilter::allows_gp(u64 selector) const {
  const u16 wanted = select_of(selector);
  const u8 umask = static_cast<u8>(bits(selector, 15, 8));
  bool included = false, excluded = false;
  for (const Entry& e : entries)
    if (e.select == wanted && (umask & e.mask) == e.match) (e.exclude ? excluded : included) = true;
  const bool hit = included && !excluded;
  return action == kFilterAllow ? hit : !hit;
}

bool EventFilter::allows_fixed(unsigned index) const {
  return test_bit(fixed_bitmap, index) == (action == kFilterAllow);
}

int make_event_filter(const EventFilterRequest& request, pmu::Vendor vendor,
                      std::shared_ptr<const EventFilter>& filter) {
  if (request.action > kFilterDeny || request.flags & ~kFilterMaskedEvents) return -EINVAL;
  if (request.nevents > kFilterMaxEvents) return -E2BIG;
  if (request.nevents > request.events.size()) return -EFAULT;

  auto made = std::make_shared<EventFilter>();
  made->vendor = vendor;
  made->action = request.action;
  made->fixed_bitmap = request.fixed_counter_bitmap;
  for (u32 i = 0; i < request.nevents; ++i) {
    const u64 entry = request.events[i];
    if (request.flags & kFilterMaskedEvents) {
      const u64 known = select_bits(vendor) | u64{0xff} << 8 | kExclude | u64{0xff} << 56;
      if (entry & ~known) return -EINVAL;
      made->entries.push_back({select(entry, vendor), static_cast<u8>(bits(entry, 63, 56)),
                               static_cast<u8>(bits(entry, 15, 8)), (entry & kExclude) != 0});
    } else {
      if (entry & ~(select_bits(vendor) | u64{0xff} << 8))
        continue;  // kept out for the ABI, without an error
      made->entries.push_back({select(entry, vendor), 0xff, static_cast<u8>(bits(entry, 15, 8)), false});
    }
  }
  filter = std::move(made);
  return 0;
}

}  // namespace pmusim::hv
