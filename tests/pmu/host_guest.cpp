// SPDX-License-Identifier: Apache-2.0
// AMD's HostOnly and GuestOnly. Source: KVM (amd_pmc_is_disabled_in_current_mode); the APM's table agrees.
#include "harness.h"

using namespace pmusim;
using namespace pmusim::test;

TEST_CASE("HostOnly and GuestOnly select worlds as EFER.SVME says") {
  constexpr u64 kGuestOnly = bit(40), kHostOnly = bit(41);
  struct Row {
    u64 bits;
    bool svme;
    u64 host, guest;
  };
  for (const Row& row : {Row{0, false, 1, 1}, Row{0, true, 1, 1},                    // both clear: always
                         Row{kGuestOnly, false, 0, 0}, Row{kHostOnly, false, 0, 0},  // SVME clear: never
                         Row{kGuestOnly | kHostOnly, false, 0, 0},                   //
                         Row{kGuestOnly, true, 0, 1}, Row{kHostOnly, true, 1, 0},    // one: only there
                         Row{kGuestOnly | kHostOnly, true, 1, 1}}) {                 // both: always
    CAPTURE(row.bits);
    CAPTURE(row.svme);
    Bench b("zen4");
    b.pmu.set_svme(row.svme);
    b.wr(msr::kAmdPerfCtl0, kInstructions | kOs | kUsr | kEn | row.bits);
    b.retire(1, World::Host, false);
    b.retire(1, World::Host, true);
    b.retire(100, World::Guest, false);
    b.retire(100, World::Guest, true);
    b.retire(100, World::NestedGuest, false);
    CHECK(b.rd(msr::kAmdPerfCtr0) == 2 * row.host + 300 * row.guest);
  }
}

TEST_CASE("a change of SVME takes effect for later increments") {
  Bench b("zen3");
  b.wr(msr::kAmdPerfCtl0, kInstructions | kOs | kEn | bit(41));
  b.retire(5);
  b.pmu.set_svme(true);
  b.retire(7);
  b.pmu.set_svme(false);
  b.retire(9);
  CHECK(b.rd(msr::kAmdPerfCtr0) == 7);
}
