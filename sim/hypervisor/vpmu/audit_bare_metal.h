// SPDX-License-Identifier: Apache-2.0
// The audit of a CPU that runs its owner's code without a hypervisor: what each hardware counter counted, and
// what its programming would count. There is nothing that could come between; a difference is an error of
// this simulator. Limits as in audit.h.
#pragma once

#include "hypervisor/vpmu/audit.h"

namespace pmusim::hv {

class BareMetalAudit {
 public:
  // Both must live until finish(); takes over the PMU's on_change.
  BareMetalAudit(pmu::Pmu& pmu, const EventCounts& counts, const CpuModel& model);
  void finish();  // with the counts current
  const AuditLine& line(unsigned counter) const { return lines_[counter]; }
  std::string programmed(unsigned counter) const { return truth_.programmed(counter); }

 private:
  void take();

  pmu::Pmu& pmu_;
  const EventCounts& counts_;
  AuditTruth truth_;
  std::array<AuditLine, AuditTruth::kSlots> lines_{};
  std::array<u64, AuditTruth::kSlots> advances_{};  // at the last look
};

}  // namespace pmusim::hv
