// SPDX-License-Identifier: Apache-2.0
// The audit of bare metal: hardware that counts by the manual leaves nothing over.
#include "hypervisor/vpmu/audit_bare_metal.h"

#include <doctest/doctest.h>

#include <optional>

#include "arch/event_counts.h"
#include "arch/evtsel.h"
#include "arch/msr.h"
#include "models/models.h"

using namespace pmusim;

namespace {

constexpr u64 kInstructionsInKernel = 0xc0 | evtsel::kOs | evtsel::kEn;

struct Audited {
  Audited() : model(models::load_model("zen4")), pmu(counts) {
    pmu.configure(model);
    audit.emplace(pmu, counts, model);
  }
  void retire(u64 n) { count_in(counts.in(context_of(World::Host, false)), Count::Instructions) += n; }

  CpuModel model;
  EventCounts counts;
  pmu::Pmu pmu;
  std::optional<hv::BareMetalAudit> audit;
};

}  // namespace

// APM Vol. 2 rev 3.44, PERF_CTL: HostOnly counts nothing while EFER.SVME is clear.
TEST_CASE("bare metal's audit follows EFER.SVME, which HostOnly depends on") {
  Audited a;
  a.pmu.wrmsr(msr::kAmdPerfCtl0, kInstructionsInKernel | evtsel::kHostOnly);
  a.pmu.wrmsr(msr::kAmdGlobalCtl, 1);
  a.retire(5);
  a.pmu.set_svme(true);
  a.retire(7);
  SUBCASE("a counter is written meanwhile") {
    a.pmu.wrmsr(msr::kAmdPerfCtr0, 0);
  }
  SUBCASE("nothing else is written") {}
  a.retire(20);
  a.pmu.set_svme(false);
  a.retire(100);
  a.audit->finish();
  CHECK(a.audit->line(0).seen == 27);
  CHECK(a.audit->line(0).truth == 27);
  CHECK(a.audit->line(0).residual() == 0);
}
