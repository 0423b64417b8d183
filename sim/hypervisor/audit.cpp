// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/audit.h"

#include "base/bits.h"
#include "hypervisor/vpmu_state.h"

namespace pmusim::hv {

namespace {

std::size_t slot(AuditCause cause) {
  return static_cast<std::size_t>(cause);
}

// The guest's contexts that correspond to a counter's contexts on bare metal.
ContextMask guest_contexts(ContextMask bare) {
  const ContextMask host = bare & 0xf;  // CPL and transaction, world Host
  return static_cast<ContextMask>(host << (4 * static_cast<unsigned>(World::Guest)) |
                                  host << (4 * static_cast<unsigned>(World::NestedGuest)));
}

bool directly_programmed(const VpmuState& s, unsigned counter) {
  const Asset control = counter >= pmu::kFixedBase ? Asset::FixedCtrCtrl : Asset::EventSelectors;
  return s.handling(control) == Handling::Passthrough ||
         (s.caps.version > 1 && s.handling(Asset::GlobalCtrl) == Handling::Passthrough);
}

}  // namespace

const char* audit_cause_name(AuditCause cause) {
  constexpr const char* names[] = {"filter", "contention", "lost-increment", "host-leak"};
  return names[slot(cause)];
}

// How far the visible counter has moved since the last look.
s64 VpmuAudit::moved(const VpmuState& s, const VpmuBacking& backing, unsigned counter) {
  const u64 now = backing.peek(counter, *probe_) & s.width_mask(counter);
  const u64 by = (now - last_[counter]) & s.width_mask(counter);
  last_[counter] = now;
  return static_cast<s64>(by);
}

s64 VpmuAudit::true_count(const VpmuState& s, unsigned counter) const {
  const pmu::CounterSetup setup =
      s.host->rules->setup(s.caps, s.regs, s.host->events, counter, test_bit(s.hooks->guest_efer(), 12));
  if (!setup.enabled || !s.globally_enabled(counter)) return 0;
  const ContextMask contexts = guest_contexts(setup.contexts);
  return static_cast<s64>(probe_->counts(cpu_).sum(setup.kinds, contexts) -
                          at_entry_.sum(setup.kinds, contexts));
}

void VpmuAudit::advance(const VpmuState& s, const VpmuBacking& backing, bool in_guest) {
  for (u64 left = s.counters(); left; left &= left - 1) {
    const unsigned counter = static_cast<unsigned>(__builtin_ctzll(left));
    AuditLine& line = lines_[counter];
    const s64 by = moved(s, backing, counter);
    if (!primed_) continue;
    line.seen += by;
    if (!in_guest) {
      line.causes[slot(AuditCause::HostLeak)] += by;
      continue;
    }
    const bool threshold = s.selector(counter) & (bit(18) | bit(23) | u64{0xff} << 24);
    const bool allowed = s.filter_allows(counter);
    if (allowed && (threshold || directly_programmed(s, counter))) {
      line.truth += by;
      continue;
    }
    const s64 truth = true_count(s, counter);
    line.truth += truth;
    if (!allowed)
      line.causes[slot(AuditCause::Filter)] += by - truth;
    else if (!backing.has_counter(counter))
      line.causes[slot(AuditCause::Contention)] += by - truth;
  }
  primed_ = true;
}

void VpmuAudit::entered(const VpmuState& s, const VpmuBacking& backing, unsigned cpu) {
  if (!probe_) return;
  advance(s, backing, false);
  cpu_ = cpu;
  in_guest_ = true;
  at_entry_ = probe_->counts(cpu);
}

void VpmuAudit::exited(const VpmuState& s, const VpmuBacking& backing, unsigned cpu) {
  if (!probe_ || !in_guest_) return;
  cpu_ = cpu;
  advance(s, backing, true);
  in_guest_ = false;
}

void VpmuAudit::before_change(const VpmuState& s, const VpmuBacking& backing) {
  if (probe_) advance(s, backing, false);
}

void VpmuAudit::after_write(const VpmuState& s, const VpmuBacking& backing) {
  if (!probe_) return;
  for (u64 left = s.counters(); left; left &= left - 1)
    moved(s, backing, static_cast<unsigned>(__builtin_ctzll(left)));  // a new base, not an advance
}

void VpmuAudit::after_emulated(const VpmuState& s, const VpmuBacking& backing, unsigned counter, u64 times) {
  if (!probe_) return;
  AuditLine& line = lines_[counter];
  const s64 by = moved(s, backing, counter), truth = static_cast<s64>(times);
  line.seen += by;
  line.truth += truth;
  const s64 added = s.policy->count_emulated ? truth : 0;
  line.causes[slot(AuditCause::LostIncrement)] += added - truth;
  // A counter that runs in the host moves by more than it was incremented by.
  if (backing.increments_hardware()) line.causes[slot(AuditCause::HostLeak)] += by - added;
}

}  // namespace pmusim::hv
