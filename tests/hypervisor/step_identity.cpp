// SPDX-License-Identifier: Apache-2.0
// Random programs of one to four vCPUs, with faults, PMIs, a timer and IPIs, under the policies and in both
// timings: by blocks, by steps and with another quantum the same events to the cycle, counters and memory.
// The guest's PMU is what KVM offers: three fixed counters. PMUSIM_IDENTITY_PROGRAMS and PMUSIM_IDENTITY_SEED
// in the environment ask for more programs of each model and policy (docs/validation.md).
#include <doctest/doctest.h>

#include "hypervisor/vpmu/policy_file.h"
#include "tests/support/machine/identity.h"
#include "tests/support/machine/random_guest.h"
#include "tests/support/sanitized.h"
#include "vm_fixture.h"

using namespace pmusim;
using namespace pmusim::hv;
using namespace pmusim::hv::test;
using namespace pmusim::platform::test;

TEST_CASE("random programs in virtual machines are the same by blocks, by steps and with any quantum") {
  const Seeds seeds = identity_seeds(pmusim::test::repeated(2, 1));
  for (const std::string& id : models::model_ids())
    for (const char* policy : {"emulated", "mediated", "dedicated"}) {
      u64 pmis = 0, exits = 0;
      if (!unmet(shipped_policy(policy), model(id)).empty()) continue;
      for (u64 seed = seeds.first; seed < seeds.first + seeds.count; ++seed) {
        INFO(id << " under " << std::string(policy));
        CAPTURE(seed);
        VmSetup setup;
        setup.model = id;
        setup.policy = policy;
        setup.cpus = static_cast<unsigned>(1 + seed / 2 % 4);
        setup.interval = seed % 2 == 0;
        setup.cycles = 200'000'000;
        setup.keep_memory = true;
        GuestPlan plan;
        plan.seed = seed;
        plan.cpus = setup.cpus;
        plan.timer_scale = 64;  // longer than an interrupt takes under the emulated policy
        plan.units = 60;
        CAPTURE(plan.cpus);
        CpuModel offered = setup.interval ? interval_model(id) : model(id);
        offered.caps.fixed_mask &= 7;
        const platform::Image image = random_guest(offered, plan);
        const VmRun blocks = run_vm(image, setup);
        CAPTURE(blocks.result.detail);
        REQUIRE(blocks.result.end == VmmEnd::Exit);
        REQUIRE(blocks.result.status == 1);
        setup.step = true;
        check_same(blocks, run_vm(image, setup));
        setup.step = false;
        setup.quantum = 777;
        check_same(blocks, run_vm(image, setup));
        pmis += blocks.count(EventKind::Pmi);
        exits += blocks.count(EventKind::Exit);
      }
      MESSAGE(id << " under " << std::string(policy) << ": " << pmis << " PMIs, " << exits << " exits");
      CHECK(exits > 20 * seeds.count);
    }
}
