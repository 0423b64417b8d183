// SPDX-License-Identifier: Apache-2.0
// Counters as differences of totals. Every access to a register first takes in what was counted under the old
// programming; overflow, freeze and PMI are decided by the vendor's rules.
// Not modelled: PEBS, LBR, IBS, AnyThread (one thread per core, so the union is the thread's own count),
// values of PERF_METRICS.
#include "pmu/pmu.h"

#include <stdexcept>

#include "arch/event_counts.h"
#include "base/bits.h"

namespace pmusim::pmu {
namespace {
constexpr ContextMask kGuestContexts = 0xff0;
}

void Pmu::configure(const PmuDescription& model) {
  model_ = &model;
  counters_.clear();
  for (unsigned n = 0; n < model.caps.gp_count; ++n) {
    counters_.emplace_back();
    counters_.back().id = n;
  }
  for (unsigned n = 0; n < kMaxFixed; ++n)
    if (model.caps.fixed_mask >> n & 1) {
      counters_.emplace_back();
      counters_.back().id = kFixedBase + n;
    }
  reset();
}

void Pmu::reset() {
  regs_ = {};
  model_->rules->reset(model_->caps, regs_);
  svme_ = false;
  for (Counter& counter : counters_) counter.reported = 0;
  reprogram();
}

const Caps& Pmu::caps() const {
  return model_->caps;
}

bool Pmu::owns(u32 msr) const {
  return find_register(model_->vendor, msr).has_value();
}

bool Pmu::rdmsr(u32 msr, u64& value) {
  sync();
  return model_->rules->hardware().read(msr, model_->caps, regs_, false, value) != Outcome::Fault;
}

bool Pmu::wrmsr(u32 msr, u64 value) {
  sync();
  if (model_->rules->hardware().write(msr, model_->caps, regs_, false, value) == Outcome::Fault) return false;
  const std::optional<RegRef> ref = find_register(model_->vendor, msr);
  if (!ref) return true;
  switch (ref->reg) {
    case Reg::GpCounter:
    case Reg::GpCounterFull:
    case Reg::K7Counter:
    case Reg::FixedCounter:
      return true;  // a value alone changes no programming
    case Reg::GpSelector:
    case Reg::K7Selector:
      program(counters_[ref->index]);
      set_active();
      break;
    case Reg::PebsEnable:
      if (value) unavailable(kPebsBit, value);
      break;
    case Reg::GlobalCtrl:
      if (test_bit(regs_.global_ctrl, kMetricsBit)) unavailable(kMetricsBit, value);
      reprogram();
      break;
    default:
      reprogram();
  }
  changed(msr);
  return true;
}

bool Pmu::rdpmc(u32 ecx, u64& value) {
  const int counter = model_->rules->rdpmc_counter(model_->caps, ecx);
  if (counter < 0) return false;
  sync();
  value = counter == static_cast<int>(kMetricsBit) ? regs_.perf_metrics
                                                   : regs_.counter(static_cast<unsigned>(counter));
  return true;
}

void Pmu::set_debugctl(u64 value) {
  regs_.debugctl = value;
}

void Pmu::set_svme(bool svme) {
  if (svme == svme_) return;
  sync();
  svme_ = svme;
  reprogram();
  changed(0);
}

void Pmu::changed(u32 msr) {
  for (PmuClient* client : clients_) client->on_change(msr);
}

void Pmu::unavailable(unsigned counter, u64 selector) {
  for (PmuClient* client : clients_) client->on_unavailable(counter, selector);
}

void Pmu::program(Counter& counter) {
  const CounterSetup before = counter.setup;
  counter.setup = model_->rules->setup(model_->caps, regs_, model_->events, counter.id, svme_);
  const CounterSetup& now = counter.setup;
  const bool goes_on = before.enabled && now.enabled && before.kinds == now.kinds &&
                       before.cmask == now.cmask && before.contexts == now.contexts && before.inv == now.inv;
  if (!goes_on) counter.edge_state = false;
  counter.last = total(counter);
  if (track_advances_) counter.guest_last = guest_total(counter);
  if (counter.setup.enabled && counter.setup.unavailable) {
    const u64 selector = counter.id < kFixedBase ? regs_.selector[counter.id] : regs_.fixed_ctrl;
    if (selector != counter.reported) unavailable(counter.id, selector);
    counter.reported = selector;
  }
}

void Pmu::reprogram() {
  for (Counter& counter : counters_) program(counter);
  set_active();
}

void Pmu::set_active() {
  reach_known_ = false;
  any_active_ = threshold_active_ = false;
  for (const Counter& counter : counters_) {
    if (!counter.setup.enabled || !counter.setup.kinds) continue;
    any_active_ = true;
    if (counter.setup.threshold()) threshold_active_ = true;
  }
}

u64 Pmu::total(const Counter& counter) const {
  if (!counter.setup.enabled) return 0;
  return counter.setup.threshold() ? counter.threshold
                                   : counts_->sum(counter.setup.kinds, counter.setup.contexts);
}

u64 Pmu::guest_total(const Counter& counter) const {
  if (!counter.setup.enabled) return 0;
  return counter.setup.threshold()
             ? counter.guest_threshold
             : counts_->sum(counter.setup.kinds, counter.setup.contexts & kGuestContexts);
}

void Pmu::sync() {
  reach_known_ = false;
  if (!any_active_) return;
  OverflowEffect effect;
  bool overflow = false;
  for (Counter& counter : counters_) {
    if (!counter.setup.enabled) continue;
    const u64 now = total(counter);
    const u64 by = now - counter.last;
    if (!by) continue;
    counter.last = now;
    if (track_advances_) {
      const u64 guest_now = guest_total(counter), guest_by = guest_now - counter.guest_last;
      counter.guest_last = guest_now;
      counter.advanced.guest += guest_by;
      counter.advanced.host += by - guest_by;
    }
    u64& value = regs_.counter(counter.id);
    const u64 limit = mask(model_->caps.width_of(counter.id));
    const bool wraps = by > limit - value;
    value = (value + by) & limit;
    if (!wraps) continue;
    overflow = true;
    const OverflowEffect one = model_->rules->overflow(model_->caps, regs_, counter.id);
    effect.pmi |= one.pmi;
    effect.status |= one.status;
    effect.freeze_clears_global_ctrl |= one.freeze_clears_global_ctrl;
    for (PmuClient* client : clients_) client->on_overflow(counter.id);
  }
  if (!overflow) return;
  // Together: counters that wrap at the same moment are all visible in the status when the PMI arrives.
  regs_.global_status |= effect.status;
  if (effect.freeze_clears_global_ctrl) regs_.global_ctrl = 0;
  if (effect.freeze_clears_global_ctrl || (effect.status & ~model_->caps.counter_bits())) {
    reprogram();
    changed(0);
  }
  if (!effect.pmi) return;
  for (PmuClient* client : clients_) client->on_pmi();
}

void Pmu::on_cycle(unsigned context, const CountVector& delta, u64 repeat) {
  for (Counter& counter : counters_) {
    const CounterSetup& setup = counter.setup;
    if (!setup.enabled || !setup.kinds || !setup.threshold()) continue;
    bool condition = false;
    if (setup.contexts >> context & 1) {
      u64 happenings = 0;
      for (CountMask k = setup.kinds; k;) happenings += delta[static_cast<unsigned>(take_lowest(k))];
      condition = setup.inv ? happenings < setup.cmask : happenings >= setup.cmask;
    }
    if (condition) {
      const u64 by = setup.edge ? (counter.edge_state ? 0 : 1) : repeat;
      counter.threshold += by;
      if (kGuestContexts >> context & 1) counter.guest_threshold += by;
    }
    counter.edge_state = condition;
  }
}

const Pmu::Counter& Pmu::find(unsigned counter) const {
  if (!model_->caps.has_counter(counter)) throw std::logic_error("no such counter");
  for (const Counter& c : counters_)
    if (c.id == counter) return c;
  throw std::logic_error("counter is not configured");
}

u64 Pmu::counter_value(unsigned counter) const {
  const Counter& c = find(counter);
  const u64 pending = c.setup.enabled ? total(c) - c.last : 0;
  return (regs_.counter(counter) + pending) & mask(model_->caps.width_of(counter));
}

void Pmu::track_advances(bool on) {
  sync();
  track_advances_ = on;
  for (Counter& c : counters_) {
    c.guest_last = guest_total(c);
    c.advanced = {};
  }
}

Pmu::Advances Pmu::advances(unsigned counter) const {
  const Counter& c = find(counter);
  Advances result = c.advanced;
  if (!track_advances_ || !c.setup.enabled) return result;
  const u64 all = total(c) - c.last, guest = guest_total(c) - c.guest_last;
  result.guest += guest;
  result.host += all - guest;
  return result;
}

Pmu::Snapshot Pmu::save() const {
  Snapshot snapshot{regs_, svme_, {}, {}};
  for (const Counter& counter : counters_) {
    snapshot.base.push_back(counter.last);
    snapshot.base.push_back(counter.threshold);
    snapshot.edge.push_back(counter.edge_state);
  }
  return snapshot;
}

void Pmu::restore(const Snapshot& snapshot) {
  if (snapshot.edge.size() != counters_.size()) throw std::logic_error("PMU snapshot of another model");
  regs_ = snapshot.regs;
  svme_ = snapshot.svme;
  reprogram();
  for (std::size_t i = 0; i < counters_.size(); ++i) {
    counters_[i].last = snapshot.base[2 * i];
    counters_[i].threshold = snapshot.base[2 * i + 1];
    counters_[i].edge_state = snapshot.edge[i];
  }
}

}  // namespace pmusim::pmu
