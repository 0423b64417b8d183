// SPDX-License-Identifier: Apache-2.0
// Costs of the hypervisor's paths, as assumed and as a user changes them.
#include "hypervisor/kvm/costs.h"

#include <doctest/doctest.h>

#include "base/error.h"
#include "hypervisor/drivers/simulated_kvm.h"
#include "hypervisor/vpmu/policy_file.h"
#include "tests/support/machine/machine.h"

using namespace pmusim;
using namespace pmusim::hv;

namespace {

// Of one KVM_SET_CPUID2 on a vCPU whose thread is on its CPU already.
u64 cycles_of_an_ioctl(const HostCosts& costs) {
  platform::Machine& machine = platform::test::machine();
  machine.reset(platform::test::config("spr"));
  u64 cycles = 0;
  {
    HostConfig config;
    config.policy = shipped_policy("emulated");
    config.costs = costs;
    SimulatedKvm simulated(machine, std::move(config));
    std::unique_ptr<kvm::Vm> vm;
    kvm::Vcpu* vcpu = nullptr;
    REQUIRE(simulated.create_vm(vm) == 0);
    REQUIRE(vm->create_irqchip() == 0);
    REQUIRE(vm->create_vcpu(0, vcpu) == 0);
    REQUIRE(vcpu->set_cpuid2({}) == 0);
    const u64 before = machine.cpu(0).cycle();
    REQUIRE(vcpu->set_cpuid2({}) == 0);
    cycles = machine.cpu(0).cycle() - before;
  }
  machine.reset(platform::test::config("spr"));
  return cycles;
}

}  // namespace

TEST_CASE("The host takes as many cycles more or fewer as a path's cost was changed by") {
  const u64 assumed = path_cost(Path::Ioctl).work.cycles, usual = cycles_of_an_ioctl({});
  CHECK(usual >= assumed);
  CHECK(cycles_of_an_ioctl(host_costs({"ioctl=0"})) == usual - assumed);
  CHECK(cycles_of_an_ioctl(host_costs({"ioctl=1000"})) == usual - assumed + 1000);
  CHECK(cycles_of_an_ioctl(host_costs({"vmm=0"})) == usual);
}

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
