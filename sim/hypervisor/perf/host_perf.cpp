// SPDX-License-Identifier: Apache-2.0
// Life of perf events, constraints and the counter solver (x86_schedule_events), exclusivity with VMs.
#include "hypervisor/perf/host_perf.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "arch/evtsel.h"
#include "base/bits.h"
#include "hypervisor/perf/host_perf_cpu.h"

namespace pmusim::hv {

using pmu::kFixedBase;
using pmu::Vendor;

namespace {

constexpr u64 kModifiers =
    evtsel::kEdge | evtsel::kAny | evtsel::kInv | evtsel::kCmask | evtsel::kInTx | evtsel::kInTxCp;

}  // namespace

HostPerf::HostPerf(const CpuModel& model, unsigned cpus) : model_(&model) {
  const pmu::Caps& caps = model.caps;
  all_counters_ = caps.counter_bits();
  if (caps.vendor == Vendor::Intel && caps.fixed_mask >> 3 & 1 && caps.metrics())
    all_counters_ |= bit(pmu::kMetricsBit);
  max_period_ =
      caps.vendor == Vendor::Intel && !caps.full_width_writes() ? mask(31) : mask(caps.gp_width - 1u);
  mux_interval_ = model.core_khz * 4;  // HZ 250: 1000 / HZ ms
  for (unsigned i = 0; i < cpus; ++i) {
    cpus_.push_back(std::make_unique<Cpu>());
    cpus_.back()->context.cpu_ = i;
  }
}

HostPerf::~HostPerf() = default;

bool HostPerf::mediated_capable() const {
  return model_->vendor == Vendor::Intel || model_->caps.version >= 2;
}

u64 HostPerf::allowed_counters(const PerfAttr& attr) const {
  const pmu::Caps& caps = model_->caps;
  const u64 gp = caps.gp_bits();
  const bool intel = caps.vendor == Vendor::Intel;
  const u32 code = static_cast<u32>(intel ? bits(attr.config, 7, 0)
                                          : bits(attr.config, 7, 0) | bits(attr.config, 35, 32) << 8);
  const u32 umask = static_cast<u32>(bits(attr.config, 15, 8));
  if (intel && !(attr.config & kModifiers)) {
    const auto fixed = [&](unsigned n) { return caps.fixed_mask >> n & 1 ? bit(kFixedBase + n) : u64{0}; };
    switch (umask << 8 | code) {
      case 0x00c0:
        return gp | fixed(0);
      case 0x003c:
        return gp | fixed(1);
      case 0x0100:
        return fixed(0);  // pseudo encodings exist on their fixed counter only
      case 0x0300:
        return fixed(2);
      case 0x0400:
        return fixed(3);
      default:
        break;
    }
  }
  for (const ScheduleConstraint& c : model_->constraints)
    if (code >= c.first && code <= c.last && (c.umask < 0 || static_cast<u32>(c.umask) == umask))
      return c.counters & gp;
  return gp;
}

bool HostPerf::assign(const std::vector<const PerfEvent*>& events, std::vector<int>& to) const {
  to.assign(events.size(), -1);
  std::vector<u64> allowed;
  for (const PerfEvent* e : events) allowed.push_back(allowed_counters(e->attr_));

  // Fast path: everyone keeps the counter it had last.
  u64 used = 0;
  std::size_t kept = 0;
  for (; kept < events.size(); ++kept) {
    const int previous = events[kept]->counter_;
    if (previous < 0 || !test_bit(allowed[kept], static_cast<unsigned>(previous)) ||
        test_bit(used, static_cast<unsigned>(previous)))
      break;
    used |= bit(static_cast<unsigned>(previous));
    to[kept] = previous;
  }
  if (kept == events.size()) return true;

  // Slow path: by weight, then in list order; a free fixed counter first, else the lowest free general one.
  used = 0;
  std::vector<std::size_t> order(events.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return __builtin_popcountll(allowed[a]) < __builtin_popcountll(allowed[b]);
  });
  const u64 fixed_counters = ~mask(kFixedBase);
  for (std::size_t i : order) {
    u64 free = allowed[i] & ~used;
    if (free & fixed_counters) free &= fixed_counters;
    if (!free) return false;
    const unsigned counter = static_cast<unsigned>(__builtin_ctzll(free));
    used |= bit(counter);
    to[i] = static_cast<int>(counter);
  }
  return true;
}

// A new group member is tried on an empty PMU: alone, the group must be placeable.
bool HostPerf::fits_alone(const PerfAttr& attr, const PerfEvent* leader) const {
  PerfEvent probe;
  probe.attr_ = attr;
  std::vector<PerfEvent> fresh;  // without the counters that the members have now
  if (leader) {
    fresh.emplace_back().attr_ = leader->attr_;
    for (const PerfEvent* s : leader->siblings_) fresh.emplace_back().attr_ = s->attr_;
  }
  std::vector<const PerfEvent*> group;
  for (const PerfEvent& e : fresh) group.push_back(&e);
  group.push_back(&probe);
  std::vector<int> to;
  return assign(group, to);
}

bool HostPerf::on_cpu(const PhysicalCpu* cpu, const PerfContext& context) const {
  return cpu && context.cpu_ == cpu->id();
}

int HostPerf::create(PhysicalCpu* cpu, PerfContext& context, const PerfAttr& attr, PerfEvent** event,
                     PerfEvent* leader) {
  *event = nullptr;
  if (leader && (attr.pinned || leader->context_ != &context || leader->leader_ != leader)) return -EINVAL;
  if (test_bit(attr.sample_period, 63)) return -EINVAL;
  if (!fits_alone(attr, leader)) return -EINVAL;
  if (mediated_capable() && ((!attr.exclude_guest && mediated_vms_) || denying_vms_)) return -EOPNOTSUPP;

  auto made = std::make_unique<PerfEvent>();
  PerfEvent* e = made.get();
  e->attr_ = attr;
  e->context_ = &context;
  e->leader_ = leader ? leader : e;
  e->period_ = attr.sample_period ? attr.sample_period : max_period_;
  e->left_ = static_cast<s64>(e->period_);
  e->order_ = next_order_++;
  e->state_ = attr.disabled ? PerfState::Off : PerfState::Inactive;
  if (cpu) e->stamp_ = cpu->cycle();
  ++events_;
  if (!attr.exclude_guest) ++host_wide_events_;
  context.events_.push_back(std::move(made));
  if (leader) {
    leader->siblings_.push_back(e);
  } else {
    (attr.pinned ? context.pinned_ : context.flexible_).push_back(e);
  }
  *event = e;
  if (on_cpu(cpu, context) && !attr.disabled && (!leader || leader->state_ == PerfState::Active))
    reschedule(*cpu, context, e->leader_->attr_.pinned ? kPinned : kFlexible);
  return 0;
}

int HostPerf::create_cpu_event(PhysicalCpu& cpu, const PerfAttr& attr, PerfEvent** event, PerfEvent* leader) {
  return create(&cpu, at(cpu.id()).context, attr, event, leader);
}

int HostPerf::create_task_event(PhysicalCpu* cpu, PerfContext& task, const PerfAttr& attr, PerfEvent** event,
                                PerfEvent* leader) {
  return create(cpu, task, attr, event, leader);
}

void HostPerf::release(PhysicalCpu* cpu, PerfEvent* event) {
  PerfContext& context = *event->context_;
  if (event->state_ == PerfState::Active && on_cpu(cpu, context)) {
    pmu_disable(*cpu);
    event_off(*cpu, *event);
    pmu_enable(*cpu);
  }
  const auto drop = [event](std::vector<PerfEvent*>& list) {
    list.erase(std::remove(list.begin(), list.end(), event), list.end());
  };
  if (event->leader_ == event) {
    for (PerfEvent* s : event->siblings_) {  // keep running, as singletons
      s->leader_ = s;
      s->attr_.pinned = event->attr_.pinned;
      (s->attr_.pinned ? context.pinned_ : context.flexible_).push_back(s);
      if (s->state_ == PerfState::Active && !s->attr_.pinned) context.flexible_active_.push_back(s);
    }
  } else {
    drop(event->leader_->siblings_);
  }
  drop(context.pinned_);
  drop(context.flexible_);
  drop(context.flexible_active_);
  --events_;
  if (!event->attr_.exclude_guest) --host_wide_events_;
  const auto own = std::find_if(context.events_.begin(), context.events_.end(),
                                [event](const auto& p) { return p.get() == event; });
  context.events_.erase(own);
}

void HostPerf::enable(PhysicalCpu* cpu, PerfEvent& event) {
  if (event.state_ == PerfState::Inactive || event.state_ == PerfState::Active) return;
  set_state(cpu, event, PerfState::Inactive);
  if (event.leader_ != &event && event.leader_->state_ != PerfState::Active) return;
  if (on_cpu(cpu, *event.context_))
    reschedule(*cpu, *event.context_, event.leader_->attr_.pinned ? kPinned : kFlexible);
}

void HostPerf::disable(PhysicalCpu* cpu, PerfEvent& event) {
  if (event.state_ == PerfState::Error || event.state_ == PerfState::Off) return;
  if (event.state_ == PerfState::Active && on_cpu(cpu, *event.context_)) {
    pmu_disable(*cpu);
    if (event.leader_ == &event)
      group_off(*cpu, event);
    else
      event_off(*cpu, event);
    pmu_enable(*cpu);
  }
  set_state(cpu, event, PerfState::Off);
}

u64 HostPerf::read(PhysicalCpu* cpu, PerfEvent& event) {
  if (event.running_ && on_cpu(cpu, *event.context_)) fold(*cpu, event);
  account(cpu, event);
  return event.count_;
}

u64 HostPerf::pause_and_reset(PhysicalCpu* cpu, PerfEvent& event) {
  disable(cpu, event);
  const u64 count = event.count_;
  event.count_ = 0;
  return count;
}

int HostPerf::set_period(PhysicalCpu* cpu, PerfEvent& event, u64 period) {
  if (!period || test_bit(period, 63)) return -EINVAL;
  event.attr_.sample_period = event.period_ = period;
  if (event.running_ && on_cpu(cpu, *event.context_)) {
    pmu_disable(*cpu);
    stop(*cpu, event);
    event.left_ = 0;
    start(*cpu, event);
    pmu_enable(*cpu);
  } else {
    event.left_ = 0;
  }
  return 0;
}

int HostPerf::start_watchdog(PhysicalCpu& cpu) {
  Cpu& c = at(cpu.id());
  if (c.watchdog) return 0;
  PerfAttr attr;
  attr.config = model_->vendor == Vendor::Intel ? 0x3c : 0x76;  // PERF_COUNT_HW_CPU_CYCLES
  attr.pinned = true;
  attr.sample_period = model_->core_khz * 1000 * 10;  // 10 s
  return create_cpu_event(cpu, attr, &c.watchdog);
}

void HostPerf::stop_watchdog(PhysicalCpu& cpu) {
  Cpu& c = at(cpu.id());
  if (!c.watchdog) return;
  disable(&cpu, *c.watchdog);
  release(&cpu, c.watchdog);
  c.watchdog = nullptr;
}

int HostPerf::create_mediated_vm(bool denied) {
  if (host_wide_events_ || (denied && events_)) return -EBUSY;
  ++mediated_vms_;
  if (denied) ++denying_vms_;
  return 0;
}

std::string HostPerf::users(bool denied) const {
  std::string text;
  const auto add = [&text](const std::string& user) { text += (text.empty() ? "" : ", ") + user; };
  u64 left = denied ? events_ : host_wide_events_;
  for (unsigned id = 0; id < cpus_.size(); ++id)
    for (const auto& event : at(id).context.events_) {
      if (!denied && event->attr_.exclude_guest) continue;
      --left;
      const bool watchdog = event.get() == at(id).watchdog;
      add(watchdog ? fmt::format("the NMI watchdog of CPU {}", id)
                   : fmt::format("a {}perf event of CPU {}, config {:#x}",
                                 event->attr_.pinned ? "pinned " : "", id, event->attr_.config));
    }
  if (left) add(fmt::format("{} perf events of tasks", left));
  return text;
}

void HostPerf::release_mediated_vm(bool denied) {
  --mediated_vms_;
  if (denied) --denying_vms_;
}

bool HostPerf::guest_loaded(unsigned cpu) const {
  return at(cpu).guest_loaded;
}

u64 HostPerf::counters_in_use(unsigned cpu) const {
  u64 used = 0;
  for (const PerfEvent* e : at(cpu).list)
    if (e->running_) used |= bit(static_cast<unsigned>(e->counter_));
  return used;
}

u64 HostPerf::mux_deadline(unsigned cpu) const {
  return at(cpu).mux_deadline;
}

}  // namespace pmusim::hv
