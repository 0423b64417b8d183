// SPDX-License-Identifier: Apache-2.0
// Statistics of VM-exits by MSR: a bound on what a guest can make of them.
#include <doctest/doctest.h>

#include "hypervisor/kvm/host.h"

using namespace pmusim;
using pmusim::hv::ExitStatistics;

TEST_CASE("accesses to more MSRs than are kept apart add up in one place, and the first ones stay") {
  ExitStatistics statistics;
  for (u32 index = 0; index < 1000; ++index) {
    ++statistics.access({index, false}).count;
    ++statistics.access({0, false}).count;
  }
  CHECK(statistics.accesses.size() == ExitStatistics::kMostAccesses);
  CHECK(statistics.access({0, false}).count == 1001);
  CHECK(statistics.other_accesses.count == 1000 - ExitStatistics::kMostAccesses);
}
