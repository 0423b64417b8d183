// SPDX-License-Identifier: Apache-2.0
// Why an MSR access exits, in words. Conditions: Linux arch/x86/kvm/vmx/vmx.c, vmx_recalc_pmu_msr_intercepts.
#include "hypervisor/vpmu/interception.h"

#include <doctest/doctest.h>

#include "tests/hypervisor/vpmu_fixture.h"

using namespace pmusim;
using namespace pmusim::hv;
using namespace pmusim::hv::test;

TEST_CASE("The reason names the condition that a host's fourth fixed counter breaks") {
  const Guest s(spr(), "mediated"), k(skx(), "mediated");
  CHECK(s.vpmu->interception_reason(msr::kGlobalCtrl) ==
        "global_ctrl is emulated: counts-match does not hold");
  CHECK(k.vpmu->interception_reason(msr::kGlobalCtrl) ==
        "global_ctrl is passthrough: counts-match and version>1 hold");
  CHECK(s.vpmu->rdpmc_interception_reason() == "rdpmc is emulated: counts-match does not hold");
  CHECK(s.vpmu->interception_reason(msr::kPerfEvtSel0) == "event_selectors is filtered");
}

TEST_CASE("The reason of a register that is not there says whose rule that is") {
  const Guest s(spr(), "mediated");
  const std::string beyond = s.vpmu->interception_reason(msr::kPerfCtr0 + 8);
  CHECK(beyond.find("this vCPU has no such register") == 0);
  CHECK(s.vpmu->interception(msr::kPerfCtr0 + 8).decided == DecidedBy::KvmRule);
  CHECK(s.vpmu->interception_reason(msr::kPerfMetrics) == "perf_metrics is hidden");
  CHECK(s.vpmu->interception_reason(msr::kTsc) == "no register of the vPMU");
  Guest none(spr(), "mediated");
  none.vpmu->disable();
  CHECK(none.vpmu->interception_reason(msr::kGlobalCtrl) == "the guest has no PMU");
}

TEST_CASE(
    "An access is passed through exactly where the policy's handling of a register that is there says so") {
  for (const CpuModel& model : {spr(), skx(), zen4()})
    for (const char* policy : {"emulated", "mediated", "dedicated"}) {
      const Guest guest(model, policy);
      for (const pmu::RegDescription& d : pmu::register_descriptions(model.vendor))
        for (u32 i = 0; i < d.count; ++i) {
          const Interception answer = guest.vpmu->interception(d.address + i * d.stride);
          const bool passed = answer.decided == DecidedBy::Policy && answer.handling == Handling::Passthrough;
          CHECK(answer.intercepted != passed);
          CHECK_FALSE(guest.vpmu->interception_reason(d.address + i * d.stride).empty());
        }
    }
}
