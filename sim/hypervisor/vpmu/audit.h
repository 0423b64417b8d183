// SPDX-License-Identifier: Apache-2.0
// Omniscient accounting of a vPMU's counters: what the guest sees against what its own programming would have
// counted over its own instructions. The true count is the core's counts in guest contexts under the guest's
// programming (intercepted writes and those that pass to hardware alike), plus instructions executed on the
// guest's behalf by the hypervisor. Each cause is measured where it happens, never computed as a remainder;
// what no cause explains is the residual. It only looks: nothing that it does costs cycles or changes a
// register.
// Limits: the true count of a threshold event (CMASK, INV, EDGE) is the hardware's own in guest contexts;
// loads, stores and cycles of emulated instructions are in neither column; a branch that the hypervisor
// emulates is a true count only of events that count all branches.
#pragma once

#include <array>

#include "arch/count_fwd.h"
#include "hypervisor/vpmu/audit_truth.h"
#include "pmu/pmu.h"

namespace pmusim::hv {

class VpmuAudit;
class VpmuBacking;
struct VpmuState;

// What the audit may look at, given by whoever owns the machine.
class AuditProbe {
 public:
  virtual ~AuditProbe() = default;
  virtual const EventCounts& counts(unsigned cpu) const = 0;      // of the core, up to now
  virtual u64 counter(unsigned cpu, unsigned counter) const = 0;  // hardware counter, up to now
  virtual pmu::Pmu::Advances advances(unsigned cpu, unsigned counter) const = 0;
  // From now on the guest's direct changes of the CPU's PMU registers are reported to the audit; nullptr: no
  // more.
  virtual void follow(unsigned cpu, VpmuAudit* audit) = 0;
};

enum class AuditCause : u8 {
  Filter,         // the event filter denied the event
  Contention,     // host perf had no counter for it
  LostIncrement,  // an emulated instruction was not added, or not as the hardware would count it
  HostLeak,       // advanced while the host ran
  Number
};
const char* audit_cause_name(AuditCause cause);

struct AuditLine {
  s64 seen = 0;  // sum of the visible counter's advances
  s64 truth = 0;
  u64 hardware = 0;  // the counters that have stood behind it while the guest ran, bits as in GLOBAL_CTRL
  std::array<s64, static_cast<std::size_t>(AuditCause::Number)> causes{};
  s64 residual() const {
    s64 rest = seen - truth;
    for (s64 c : causes) rest -= c;
    return rest;
  }
};

class VpmuAudit {
 public:
  void attach(AuditProbe* probe) { probe_ = probe; }  // nullptr: off
  bool on() const { return probe_ != nullptr; }
  void restart() { primed_ = false; }  // the vPMU was redefined
  const AuditLine& line(unsigned counter) const { return lines_[counter]; }
  std::string programmed(unsigned counter) const { return truth_.programmed(counter); }

  // Hooks of the vPMU. An interval ends at each; the first of a pair begins one.
  void entered(const VpmuState& state, const VpmuBacking& backing, unsigned cpu);
  void exited(const VpmuState& state, const VpmuBacking& backing);
  void before_change(const VpmuState& state, const VpmuBacking& backing);  // a write, an emulated instruction
  void after_write(const VpmuState& state, const VpmuBacking& backing, pmu::RegRef written);
  void after_emulated(const VpmuState& state, const VpmuBacking& backing, unsigned counter, bool branch,
                      bool user, u64 added);
  // In guest mode the hardware's control registers changed: the guest wrote `msr`, or (0) a freeze.
  void guest_changed(u32 msr, const pmu::Pmu& hardware, const EventCounts& counts);

 private:
  static constexpr unsigned kSlots = AuditTruth::kSlots;
  struct AtEntry {
    int physical = -1;  // the hardware counter behind it
    pmu::Pmu::Advances advances;
    u64 guest = 0;  // of the advances, at the last look
  };
  void prime(const VpmuState& state);
  s64 moved(const VpmuState& state, const VpmuBacking& backing, unsigned counter);
  void host_interval(const VpmuState& state, const VpmuBacking& backing);
  template <typename Advances>
  void take_truth(const EventCounts& counts, Advances advances);
  void program(const VpmuState& state, pmu::RegRef written, const pmu::Registers& from);

  AuditProbe* probe_ = nullptr;
  const VpmuState* state_ = nullptr;  // in guest mode
  AuditTruth truth_;
  std::array<AuditLine, kSlots> lines_{};
  std::array<u64, kSlots> last_{};      // visible value at the last look
  std::array<u64, kSlots> happened_{};  // true count since the entry
  std::array<AtEntry, kSlots> at_entry_{};
  bool primed_ = false;
  unsigned cpu_ = 0;
};

}  // namespace pmusim::hv
