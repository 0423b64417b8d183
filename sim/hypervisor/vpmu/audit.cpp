// SPDX-License-Identifier: Apache-2.0
// The account of a guest's counter: changes by the guest, by the vPMU and by the hardware, and what they
// leave.
#include "hypervisor/vpmu/audit.h"

#include "arch/event_counts.h"
#include "base/bits.h"
#include "base/enum_table.h"
#include "hypervisor/vpmu/register_assets.h"
#include "hypervisor/vpmu/vpmu_state.h"

namespace pmusim::hv {

namespace {

struct CauseName {
  AuditCause cause;
  const char* name;
};
constexpr CauseName kCauses[] = {
    {AuditCause::Filter, "filter"},
    {AuditCause::Contention, "contention"},
    {AuditCause::LostIncrement, "lost-increment"},
    {AuditCause::HostLeak, "host-leak"},
};
static_assert(is_enum_table(kCauses, &CauseName::cause));

std::size_t slot(AuditCause cause) {
  return static_cast<std::size_t>(cause);
}

template <typename Action>
void each_counter(const VpmuState& s, Action action) {
  for (const unsigned counter : set_bits(s.counters())) action(counter);
}

bool svme(const VpmuState& s) {
  return test_bit(s.hooks->guest_efer(), 12);
}

}  // namespace

const char* audit_cause_name(AuditCause cause) {
  return kCauses[slot(cause)].name;
}

void VpmuAudit::prime(const VpmuState& s) {
  truth_.start(*s.host, s.caps, s.regs, true);
  primed_ = true;
}

// How far the visible counter has moved since the last look, backwards if it lost something.
s64 VpmuAudit::moved(const VpmuState& s, const VpmuBacking& backing, unsigned counter) {
  const u64 width = s.width_mask(counter);
  const u64 now = backing.peek(counter, *probe_) & width;
  const u64 by = (now - last_[counter]) & width;
  last_[counter] = now;
  return by > width / 2 ? -static_cast<s64>(width - by + 1) : static_cast<s64>(by);
}

void VpmuAudit::host_interval(const VpmuState& s, const VpmuBacking& backing) {
  const bool first = !primed_;
  if (first) prime(s);
  each_counter(s, [&](unsigned counter) {
    const s64 by = moved(s, backing, counter);
    if (first) return;
    lines_[counter].seen += by;
    lines_[counter].causes[slot(AuditCause::HostLeak)] += by;
  });
}

template <typename Advances>
void VpmuAudit::take_truth(const EventCounts& counts, Advances advances) {
  each_counter(*state_, [&](unsigned counter) {
    AtEntry& at = at_entry_[counter];
    happened_[counter] += truth_.counted(counter, counts);
    if (at.physical < 0) return;
    const u64 guest = advances(static_cast<unsigned>(at.physical)).guest;
    if (truth_.threshold(counter) && state_->filter_allows(counter)) happened_[counter] += guest - at.guest;
    at.guest = guest;
  });
}

void VpmuAudit::program(const VpmuState& s, pmu::RegRef written, const pmu::Registers& from) {
  const Asset asset = asset_of(written.reg);
  if (asset != Asset::EventSelectors && asset != Asset::FixedCtrCtrl && asset != Asset::GlobalCtrl) return;
  const pmu::RegStorage storage = pmu::describe(s.host->vendor, written.reg).storage;
  pmu::Registers controls = truth_.controls();
  storage.of(controls, written.index) = storage.of(from, written.index);
  truth_.program(controls, svme(s));
}

void VpmuAudit::entered(const VpmuState& s, const VpmuBacking& backing, unsigned cpu) {
  if (!probe_) return;
  host_interval(s, backing);
  cpu_ = cpu;
  state_ = &s;
  if (svme(s) != truth_.svme()) truth_.program(pmu::Registers(truth_.controls()), svme(s));
  truth_.begin(probe_->counts(cpu));
  each_counter(s, [&](unsigned counter) {
    happened_[counter] = 0;
    AtEntry& at = at_entry_[counter];
    at.physical = backing.physical(counter);
    if (at.physical >= 0) {
      at.advances = probe_->advances(cpu, static_cast<unsigned>(at.physical));
      lines_[counter].hardware |= bit(static_cast<unsigned>(at.physical));
    }
    at.guest = at.advances.guest;
  });
  probe_->follow(cpu, this);
}

void VpmuAudit::guest_changed(u32 msr, const pmu::Pmu& hardware, const EventCounts& counts) {
  const VpmuState& s = *state_;
  take_truth(counts, [&](unsigned physical) { return hardware.advances(physical); });
  const auto written = pmu::find_register(s.host->vendor, msr);
  if (written) program(s, *written, hardware.registers());
  if (s.handling(Asset::GlobalStatus) == Handling::Passthrough) {
    // The frozen state is the hardware's, and so is the global control that a legacy freeze clears.
    pmu::Registers controls = truth_.controls();
    controls.global_status = hardware.registers().global_status;
    if (!written && s.handling(Asset::GlobalCtrl) == Handling::Passthrough)
      controls.global_ctrl = hardware.registers().global_ctrl;
    truth_.program(controls, svme(s));
  }
  truth_.begin(counts);
}

void VpmuAudit::exited(const VpmuState& s, const VpmuBacking& backing) {
  if (!probe_ || !state_) return;
  probe_->follow(cpu_, nullptr);
  take_truth(probe_->counts(cpu_), [&](unsigned physical) { return probe_->advances(cpu_, physical); });
  each_counter(s, [&](unsigned counter) {
    AuditLine& line = lines_[counter];
    const AtEntry& at = at_entry_[counter];
    pmu::Pmu::Advances by;
    if (at.physical >= 0) {
      by = probe_->advances(cpu_, static_cast<unsigned>(at.physical));
      by.guest -= at.advances.guest;
      by.host -= at.advances.host;
    }
    const s64 through_backing = moved(s, backing, counter);
    // Where the guest writes hardware counters itself, the register's difference is not what it counted.
    line.seen += backing.increments_hardware() ? static_cast<s64>(by.guest + by.host) : through_backing;
    // What passes between the exit and here passes in the host.
    line.causes[slot(AuditCause::HostLeak)] += static_cast<s64>(by.host);
    const bool allowed = s.filter_allows(counter);
    const s64 truth = static_cast<s64>(happened_[counter]);
    line.truth += truth;
    if (!allowed)
      line.causes[slot(AuditCause::Filter)] -= truth;
    else if (at.physical < 0)
      line.causes[slot(AuditCause::Contention)] -= truth;
  });
  state_ = nullptr;
}

void VpmuAudit::before_change(const VpmuState& s, const VpmuBacking& backing) {
  if (probe_) host_interval(s, backing);
}

void VpmuAudit::after_write(const VpmuState& s, const VpmuBacking& backing, pmu::RegRef written) {
  if (!probe_) return;
  program(s, written, s.regs);
  each_counter(s, [&](unsigned counter) { moved(s, backing, counter); });  // a new base, not an advance
}

void VpmuAudit::after_emulated(const VpmuState& s, const VpmuBacking& backing, unsigned counter, bool branch,
                               bool user, u64 added) {
  if (!probe_) return;
  AuditLine& line = lines_[counter];
  const s64 by = moved(s, backing, counter);
  const s64 truth = static_cast<s64>(truth_.counts_emulated(counter, branch, user));
  line.seen += by;
  line.truth += truth;
  const AuditCause cause = s.filter_allows(counter) ? AuditCause::LostIncrement : AuditCause::Filter;
  line.causes[slot(cause)] += static_cast<s64>(added) - truth;
  // A counter that runs in the host moves by more than it was incremented by.
  if (backing.increments_hardware()) line.causes[slot(AuditCause::HostLeak)] += by - static_cast<s64>(added);
}

}  // namespace pmusim::hv
