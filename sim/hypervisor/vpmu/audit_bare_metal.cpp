// SPDX-License-Identifier: Apache-2.0
// The account of counters without a hypervisor: only contexts can be in between.
#include "hypervisor/vpmu/audit_bare_metal.h"

#include "arch/event_counts.h"
#include "base/bits.h"

namespace pmusim::hv {

BareMetalAudit::BareMetalAudit(pmu::Pmu& pmu, const EventCounts& counts, const CpuModel& model)
    : pmu_(pmu), counts_(counts) {
  pmu_.track_advances(true);
  truth_.start(model, pmu_.caps(), pmu_.registers(), false);
  truth_.begin(counts_);
  pmu_.add_client(*this);
}

void BareMetalAudit::on_change(u32) {
  take();
  truth_.program(pmu_.registers(), pmu_.svme());
  truth_.begin(counts_);
}

void BareMetalAudit::take() {
  for (const unsigned counter : set_bits(pmu_.caps().counter_bits())) {
    const pmu::Pmu::Advances now = pmu_.advances(counter);
    const u64 by = now.host + now.guest - advances_[counter];
    advances_[counter] += by;
    lines_[counter].seen += static_cast<s64>(by);
    lines_[counter].truth +=
        static_cast<s64>(truth_.threshold(counter) ? by : truth_.counted(counter, counts_));
  }
}

void BareMetalAudit::finish() {
  take();
  pmu_.remove_client(*this);
}

}  // namespace pmusim::hv
