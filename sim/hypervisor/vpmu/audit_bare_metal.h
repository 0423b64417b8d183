// SPDX-License-Identifier: Apache-2.0
// The audit of a CPU that runs its owner's code without a hypervisor: what each hardware counter counted, and
// what its programming would count. There is nothing that could come between; a difference is an error of
// this simulator. Limits as in audit.h.
#pragma once

#include "hypervisor/vpmu/audit.h"

namespace pmusim::hv {

class BareMetalAudit final : private pmu::PmuClient {
 public:
  BareMetalAudit(pmu::Pmu& pmu, const EventCounts& counts, const CpuModel& model);  // both live as long
  ~BareMetalAudit() override { pmu_.remove_client(*this); }
  BareMetalAudit(const BareMetalAudit&) = delete;
  BareMetalAudit& operator=(const BareMetalAudit&) = delete;
  void finish();  // with the counts current; nothing is heard from then on
  const AuditLine& line(unsigned counter) const { return lines_[counter]; }
  std::string programmed(unsigned counter) const { return truth_.programmed(counter); }

 private:
  void on_change(u32 msr) override;
  void take();

  pmu::Pmu& pmu_;
  const EventCounts& counts_;
  AuditTruth truth_;
  std::array<AuditLine, AuditTruth::kSlots> lines_{};
  std::array<u64, AuditTruth::kSlots> advances_{};  // at the last look
};

}  // namespace pmusim::hv
