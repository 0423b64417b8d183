// SPDX-License-Identifier: Apache-2.0
// KVM_SET_PMU_EVENT_FILTER: errors and matching (arch/x86/kvm/pmu.c; Documentation/virt/kvm/api.rst).
#include <doctest/doctest.h>

#include <cerrno>

#include "base/bits.h"
#include "hypervisor/vpmu/event_filter.h"

using namespace pmusim;
using namespace pmusim::hv;
using pmu::Vendor;

namespace {

int set(const EventFilterRequest& request, Vendor vendor, EventFilter* made = nullptr) {
  std::shared_ptr<const EventFilter> filter;
  const int error = make_event_filter(request, vendor, filter);
  CHECK((filter == nullptr) == (error != 0));
  if (filter && made) *made = *filter;
  return error;
}

EventFilterRequest request(u32 action, std::vector<u64> events, u32 flags = 0, u32 bitmap = 0) {
  EventFilterRequest r;
  r.action = action;
  r.nevents = static_cast<u32>(events.size());
  r.flags = flags;
  r.fixed_counter_bitmap = bitmap;
  r.events = std::move(events);
  return r;
}

u64 masked(u64 select, u64 mask, u64 match, bool exclude = false) {
  return (select & 0xff) | (select >> 8) << 32 | match << 8 | mask << 56 | (exclude ? bit(55) : 0);
}

}  // namespace

TEST_CASE("An event filter with an unknown action or flag is EINVAL") {
  CHECK(set(request(1, {}), Vendor::Intel) == 0);
  CHECK(set(request(2, {}), Vendor::Intel) == -EINVAL);
  CHECK(set(request(0, {}, 1), Vendor::Intel) == 0);
  CHECK(set(request(0, {}, 2), Vendor::Intel) == -EINVAL);
}

TEST_CASE("300 events are accepted, 301 are E2BIG, and a short array is EFAULT") {
  CHECK(set(request(0, std::vector<u64>(300, 0xc0)), Vendor::Intel) == 0);
  CHECK(set(request(0, std::vector<u64>(301, 0xc0)), Vendor::Intel) == -E2BIG);
  EventFilterRequest r = request(0, {0xc0});
  r.nevents = 2;
  CHECK(set(r, Vendor::Intel) == -EFAULT);
  r.nevents = 301;  // the count is judged first
  CHECK(set(r, Vendor::Intel) == -E2BIG);
}

TEST_CASE("Without the masked flag, entries with stray bits are silently discarded") {
  EventFilter f;
  CHECK(set(request(0, {0x100c0 /* bit 16 */, 0x00c4}), Vendor::Intel, &f) == 0);
  CHECK(f.entries.size() == 1);
  CHECK_FALSE(f.allows_gp(0xc0));
  CHECK(f.allows_gp(0xc4));
}

TEST_CASE("With the masked flag, entries with stray bits are EINVAL, bits 35:32 are stray on Intel only") {
  CHECK(set(request(0, {masked(0xc0, 0xff, 0)}, 1), Vendor::Intel) == 0);
  CHECK(set(request(0, {masked(0xc0, 0xff, 0) | bit(16)}, 1), Vendor::Intel) == -EINVAL);
  CHECK(set(request(0, {masked(0xc0, 0xff, 0) | bit(54)}, 1), Vendor::Intel) == -EINVAL);
  CHECK(set(request(0, {masked(0x1c0, 0xff, 0)}, 1), Vendor::Intel) == -EINVAL);
  CHECK(set(request(0, {masked(0x1c0, 0xff, 0)}, 1), Vendor::Amd) == 0);
  CHECK(set(request(0, {masked(0xc0, 0xff, 0) | bit(36)}, 1), Vendor::Amd) == -EINVAL);
}

TEST_CASE("ALLOW lets only listed events count, DENY all others, select and umask decide alone") {
  EventFilter allow, deny;
  set(request(kFilterAllow, {0x01c4}), Vendor::Intel, &allow);
  set(request(kFilterDeny, {0x01c4}), Vendor::Intel, &deny);
  const u64 modifiers = 0xff8f0000 | bit(32) | bit(33);  // CMASK, INV, OS, USR, EDGE, IN_TX
  CHECK(allow.allows_gp(0x01c4 | modifiers));
  CHECK_FALSE(allow.allows_gp(0x00c4));
  CHECK_FALSE(deny.allows_gp(0x01c4 | modifiers));
  CHECK(deny.allows_gp(0x00c4));
}

TEST_CASE("On AMD bits 35:32 are part of the event select") {
  EventFilter f;
  set(request(kFilterAllow, {0xc0 | u64{1} << 32}), Vendor::Amd, &f);
  CHECK(f.allows_gp(0xc0 | u64{1} << 32));
  CHECK_FALSE(f.allows_gp(0xc0));
}

TEST_CASE("A masked include matches a range of umasks, from which an exclude takes some away") {
  EventFilter f;
  set(request(kFilterAllow, {masked(0xd0, 0xf0, 0x80), masked(0xd0, 0xff, 0x82, true)}, 1), Vendor::Intel,
      &f);
  CHECK(f.allows_gp(0x81d0));
  CHECK_FALSE(f.allows_gp(0x82d0));
  CHECK(f.allows_gp(0x83d0));
  CHECK_FALSE(f.allows_gp(0x71d0));
}

TEST_CASE("Fixed counters obey the bitmap only, with the action's sense") {
  EventFilter allow, deny;
  set(request(kFilterAllow, {0xc0}, 0, 0x2), Vendor::Intel, &allow);
  set(request(kFilterDeny, {0xc0}, 0, 0x2), Vendor::Intel, &deny);
  CHECK_FALSE(allow.allows_fixed(0));
  CHECK(allow.allows_fixed(1));
  CHECK(deny.allows_fixed(0));
  CHECK_FALSE(deny.allows_fixed(1));
}
