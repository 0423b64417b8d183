// SPDX-License-Identifier: Apache-2.0
// What counters would have counted that nothing disturbs: the programming as its owner wrote it, applied to
// the core's totals of the owner's own contexts. Limits: threshold events (CMASK, INV, EDGE) have no totals
// and stay 0 here; see threshold().
#pragma once

#include <array>
#include <string>

#include "arch/count_fwd.h"
#include "model/cpu_model.h"

namespace pmusim::hv {

class AuditTruth {
 public:
  static constexpr unsigned kSlots = pmu::kFixedBase + pmu::kMaxFixed;

  // guest: the owner runs in guest mode; else on bare metal, where there is no other world. `model` must live
  // on.
  void start(const CpuModel& model, const pmu::Caps& caps, const pmu::Registers& controls, bool guest);
  // Controls changed, with everything before taken in. Only controls are looked at, not counters.
  void program(const pmu::Registers& controls, bool svme);
  const pmu::Registers& controls() const { return controls_; }
  bool svme() const { return svme_; }

  void begin(const EventCounts& counts);                           // with the controls as they are now
  u64 counted(unsigned counter, const EventCounts& counts) const;  // since begin()
  // Does an instruction that others execute for the owner count?
  u64 counts_emulated(unsigned counter, bool branch, bool user) const;
  bool threshold(unsigned counter) const { return setup_[counter].enabled && setup_[counter].threshold(); }
  // "INST_RETIRED.ANY_P USR|OS INT": the first programming that counted; "" if none did.
  std::string programmed(unsigned counter) const;

 private:
  std::string describe(unsigned counter) const;

  u64 total(unsigned counter, const EventCounts& counts) const;

  const CpuModel* model_ = nullptr;
  pmu::Caps caps_;
  pmu::Registers controls_;
  bool guest_ = false, svme_ = false;
  std::array<pmu::CounterSetup, kSlots> setup_{};
  std::array<u64, kSlots> last_{};  // selector or nibble of the latest programming that counted
  std::array<u32, kSlots> programmings_{};
  std::array<std::string, kSlots> names_;
  std::array<u64, kSlots> since_{};  // total() at begin()
};

}  // namespace pmusim::hv
