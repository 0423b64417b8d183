// SPDX-License-Identifier: Apache-2.0
// Costs of the hypervisor's paths, as assumed and as a user changes them.
#include "hypervisor/kvm/costs.h"

#include <doctest/doctest.h>

#include "base/error.h"

using namespace pmusim;
using namespace pmusim::hv;

TEST_CASE("A path's new cost changes what it executes in proportion") {
  const platform::HostWork before = HostCosts()[Path::Vmm], after = host_costs({"vmm=500"})[Path::Vmm];
  CHECK(after.cycles == 500);
  CHECK(after.instructions == before.instructions * 500 / before.cycles);
  CHECK(after.stores == before.stores * 500 / before.cycles);
  CHECK(after.user);
  const platform::HostWork nothing = host_costs({"vmm=0"})[Path::Vmm];
  CHECK(nothing.cycles == 0);
  CHECK(nothing.instructions == 0);
}

TEST_CASE("Other paths keep their costs") {
  const HostCosts costs = host_costs({"vmm=500", "cpuid=1"});
  CHECK(costs[Path::Cpuid].cycles == 1);
  CHECK(costs[Path::Msr].cycles == HostCosts()[Path::Msr].cycles);
  CHECK(costs.given(Path::Cpuid));
  CHECK_FALSE(costs.given(Path::Msr));
}

TEST_CASE("A path that does not exist is refused with the nearest and the way to all") {
  CHECK_THROWS_WITH_AS(host_costs({"vmmm=5"}), doctest::Contains("did you mean 'vmm'?"), InputError);
  CHECK_THROWS_WITH_AS(host_costs({"vmmm=5"}), doctest::Contains("pmusim list costs"), InputError);
  for (const char* wrong : {"vmm", "vmm=", "vmm=x", "vmm=-1", "vmm=10000001", "vmm=99999999999999999999"})
    CHECK_THROWS_AS(host_costs({wrong}), InputError);
  CHECK_NOTHROW(host_costs({"vmm=10000000"}));
}
