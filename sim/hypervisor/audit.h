// SPDX-License-Identifier: Apache-2.0
// Omniscient accounting of a vPMU's counters: what the guest sees against what its own programming would have
// counted over its own instructions. The true count is the core's counts in guest contexts, plus instructions
// executed on the guest's behalf by the hypervisor; every difference is booked under a cause, and what no
// cause explains is the residual. It only looks: nothing that it does costs cycles or changes a register.
// Where a control register is passed through, the guest may reprogram between two looks; there the hardware's
// own count is taken as the true one. Threshold events (CMASK, INV, EDGE) are taken so as well.
#pragma once

#include <array>

#include "arch/count.h"
#include "pmu/registers.h"

namespace pmusim::hv {

class VpmuBacking;
struct VpmuState;

// What the audit may look at, given by whoever owns the machine.
class AuditProbe {
 public:
  virtual ~AuditProbe() = default;
  virtual const EventCounts& counts(unsigned cpu) const = 0;      // of the core, up to now
  virtual u64 counter(unsigned cpu, unsigned counter) const = 0;  // hardware counter, up to now
};

enum class AuditCause : u8 {
  Filter,         // the event filter denied the event
  Contention,     // host perf had no counter for it
  LostIncrement,  // an emulated instruction could not be added: the counter was in hardware
  HostLeak,       // advanced while the host ran
  Number
};
const char* audit_cause_name(AuditCause cause);

struct AuditLine {
  s64 seen = 0;  // sum of the visible counter's advances
  s64 truth = 0;
  std::array<s64, static_cast<std::size_t>(AuditCause::Number)> causes{};
  s64 residual() const {
    s64 rest = seen - truth;
    for (s64 c : causes) rest -= c;
    return rest;
  }
};

class VpmuAudit {
 public:
  void attach(const AuditProbe* probe) { probe_ = probe; }  // nullptr: off
  bool on() const { return probe_ != nullptr; }
  const AuditLine& line(unsigned counter) const { return lines_[counter]; }

  // Hooks of the vPMU. An interval ends at each; the first of a pair begins one.
  void entered(const VpmuState& state, const VpmuBacking& backing, unsigned cpu);
  void exited(const VpmuState& state, const VpmuBacking& backing, unsigned cpu);
  void before_change(const VpmuState& state, const VpmuBacking& backing);  // a write, an emulated instruction
  void after_write(const VpmuState& state, const VpmuBacking& backing);
  void after_emulated(const VpmuState& state, const VpmuBacking& backing, unsigned counter, u64 times);

 private:
  static constexpr unsigned kSlots = pmu::kFixedBase + 3;
  void advance(const VpmuState& state, const VpmuBacking& backing, bool in_guest);
  s64 moved(const VpmuState& state, const VpmuBacking& backing, unsigned counter);
  s64 true_count(const VpmuState& state, unsigned counter) const;

  const AuditProbe* probe_ = nullptr;
  std::array<AuditLine, kSlots> lines_{};
  std::array<u64, kSlots> last_{};
  bool primed_ = false, in_guest_ = false;
  unsigned cpu_ = 0;
  EventCounts at_entry_;
};

}  // namespace pmusim::hv
