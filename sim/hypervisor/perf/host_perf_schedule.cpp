// SPDX-License-Identifier: Apache-2.0
// When perf events are placed and taken off: the four passes, groups, rotation, tasks and mediated guests
// (kernel/events/core.c: ctx_resched, merge_sched_in, perf_rotate_context).
#include <algorithm>

#include "hypervisor/perf/host_perf.h"
#include "hypervisor/perf/host_perf_cpu.h"

namespace pmusim::hv {

void HostPerf::account(const PhysicalCpu* cpu, PerfEvent& event) {
  if (!on_cpu(cpu, *event.context_)) return;
  const u64 now = cpu->cycle(), passed = now - event.stamp_;
  event.stamp_ = now;
  // The time of a loaded guest context is not a host-only event's time.
  if (event.attr_.exclude_guest && at(cpu->id()).guest_loaded) return;
  const PerfState leader = event.leader_->state_;
  if (leader == PerfState::Error || leader == PerfState::Off) return;
  if (event.state_ == PerfState::Inactive || event.state_ == PerfState::Active) event.enabled_time_ += passed;
  if (event.state_ == PerfState::Active) event.running_time_ += passed;
}

void HostPerf::account(const PhysicalCpu& cpu, PerfContext& context) {
  for (const auto& e : context.events_) account(&cpu, *e);
}

void HostPerf::set_state(const PhysicalCpu* cpu, PerfEvent& event, PerfState state) {
  account(cpu, event);
  event.state_ = state;
}

// A whole group in one transaction: all members get a counter, or none.
bool HostPerf::group_on(PhysicalCpu& cpu, PerfEvent& leader) {
  Cpu& c = at(cpu.id());
  std::vector<PerfEvent*> members{&leader};
  for (PerfEvent* s : leader.siblings_)
    if (s->state_ == PerfState::Inactive) members.push_back(s);
  std::vector<const PerfEvent*> all(c.list.begin(), c.list.end());
  all.insert(all.end(), members.begin(), members.end());
  std::vector<int> to;
  if (!assign(all, to)) return false;
  for (PerfEvent* m : members) {
    set_state(&cpu, *m, PerfState::Active);
    c.list.push_back(m);
  }
  c.assigned = to;
  c.added = true;
  return true;
}

void HostPerf::event_off(PhysicalCpu& cpu, PerfEvent& event) {
  if (event.state_ != PerfState::Active) return;
  if (event.running_) stop(cpu, event);
  at(cpu.id()).remove(&event);
  set_state(&cpu, event, PerfState::Inactive);
}

void HostPerf::group_off(PhysicalCpu& cpu, PerfEvent& leader) {
  for (PerfEvent* s : leader.siblings_) event_off(cpu, *s);
  event_off(cpu, leader);
  auto& active = leader.context_->flexible_active_;
  active.erase(std::remove(active.begin(), active.end(), &leader), active.end());
}

void HostPerf::take_off(PhysicalCpu& cpu, PerfContext& context, Passes passes) {
  if (passes & kFlexible && context.flexible_active_set_) {
    for (PerfEvent* leader : context.flexible_) group_off(cpu, *leader);
    context.flexible_active_set_ = false;
    context.rotate_ = false;
  }
  if (passes & kPinned && context.pinned_active_) {
    for (PerfEvent* leader : context.pinned_) group_off(cpu, *leader);
    context.pinned_active_ = false;
  }
}

void HostPerf::need_rotation(PhysicalCpu& cpu, PerfContext& context) {
  context.rotate_ = true;
  Cpu& c = at(cpu.id());
  if (c.mux_deadline == kNever) c.mux_deadline = cpu.cycle() + mux_interval_;
}

void HostPerf::put_on(PhysicalCpu& cpu, PerfContext& context, Passes pass) {
  bool& active = pass == kPinned ? context.pinned_active_ : context.flexible_active_set_;
  if (active) return;
  auto& list = pass == kPinned ? context.pinned_ : context.flexible_;
  if (list.empty()) return;
  active = true;
  const bool blocked = at(cpu.id()).guest_loaded && mediated_capable();
  bool can_add = true;
  for (PerfEvent* leader : list) {
    if (leader->state_ != PerfState::Inactive) continue;
    if (blocked) continue;  // skipped with the state untouched: neither ERROR nor a wish to rotate
    if (can_add && group_on(cpu, *leader)) {
      if (pass == kFlexible) context.flexible_active_.push_back(leader);
      continue;
    }
    can_add = false;  // nothing behind it is tried in this pass
    if (pass == kPinned)
      set_state(&cpu, *leader, PerfState::Error);
    else
      need_rotation(cpu, context);
  }
}

void HostPerf::put_on_all(PhysicalCpu& cpu) {
  Cpu& c = at(cpu.id());
  put_on(cpu, c.context, kPinned);
  if (c.task) put_on(cpu, *c.task, kPinned);
  put_on(cpu, c.context, kFlexible);
  if (c.task) put_on(cpu, *c.task, kFlexible);
}

// ctx_resched: something of class `of` was added or enabled in the context.
void HostPerf::reschedule(PhysicalCpu& cpu, PerfContext& context, Passes of) {
  Cpu& c = at(cpu.id());
  pmu_disable(cpu);
  if (c.task && (!context.task_ || &context == c.task))
    take_off(cpu, *c.task, of == kPinned ? kPinned | kFlexible : kFlexible);
  if (!context.task_)
    take_off(cpu, context, of == kPinned ? kPinned | kFlexible : kFlexible);
  else if (of == kPinned)
    take_off(cpu, c.context, kFlexible);
  put_on_all(cpu);
  pmu_enable(cpu);
}

void HostPerf::task_in(PhysicalCpu& cpu, PerfContext& task) {
  Cpu& c = at(cpu.id());
  c.task = &task;
  task.cpu_ = cpu.id();
  for (const auto& e : task.events_) e->stamp_ = cpu.cycle();
  if (task.events_.empty()) return;
  pmu_disable(cpu);
  if (!task.pinned_.empty()) take_off(cpu, c.context, kFlexible);
  put_on_all(cpu);
  pmu_enable(cpu);
}

void HostPerf::task_out(PhysicalCpu& cpu, PerfContext& task) {
  Cpu& c = at(cpu.id());
  if (!task.events_.empty()) {
    pmu_disable(cpu);
    take_off(cpu, task, kPinned | kFlexible);
    account(cpu, task);
    pmu_enable(cpu);
  }
  task.cpu_ = ~0u;
  c.task = nullptr;
}

void HostPerf::rotate(PerfContext& context, PerfEvent* first, u64 order) {
  auto& list = context.flexible_;
  if (!first && !list.empty()) first = list.front();
  context.rotate_ = false;
  if (!first) return;
  first->order_ = order;
  list.erase(std::remove(list.begin(), list.end(), first), list.end());
  list.push_back(first);
}

void HostPerf::mux_timer(PhysicalCpu& cpu) {
  Cpu& c = at(cpu.id());
  PerfContext* task = c.task;
  const bool cpu_rotates = c.context.rotate_, task_rotates = task && task->rotate_;
  if (!cpu_rotates && !task_rotates) {
    c.mux_deadline = kNever;
    return;
  }
  const auto earliest = [](const PerfContext& context) {
    return context.flexible_active_.empty() ? nullptr : context.flexible_active_.front();
  };
  PerfEvent* of_cpu = earliest(c.context);
  PerfEvent* of_task = task ? earliest(*task) : nullptr;
  pmu_disable(cpu);
  if (task) take_off(cpu, *task, kFlexible);
  if (cpu_rotates) {
    take_off(cpu, c.context, kFlexible);
    rotate(c.context, of_cpu, next_order_++);
    put_on(cpu, c.context, kFlexible);
  }
  if (task_rotates) rotate(*task, of_task, next_order_++);
  if (task) put_on(cpu, *task, kFlexible);
  pmu_enable(cpu);
  c.mux_deadline += mux_interval_;
  if (c.mux_deadline <= cpu.cycle()) c.mux_deadline = cpu.cycle() + mux_interval_;
}

void HostPerf::load_guest_context(PhysicalCpu& cpu) {
  Cpu& c = at(cpu.id());
  if (events_) {
    pmu_disable(cpu);
    take_off(cpu, c.context, kPinned | kFlexible);
    if (c.task) take_off(cpu, *c.task, kPinned | kFlexible);
    pmu_enable(cpu);
  }
  account(cpu, c.context);
  if (c.task) account(cpu, *c.task);
  c.guest_loaded = true;
}

void HostPerf::put_guest_context(PhysicalCpu& cpu) {
  Cpu& c = at(cpu.id());
  account(cpu, c.context);
  if (c.task) account(cpu, *c.task);
  c.guest_loaded = false;
  if (!events_) return;
  // Passes entered while the guest was loaded placed nothing; they run anew.
  c.context.pinned_active_ = c.context.flexible_active_set_ = false;
  if (c.task) c.task->pinned_active_ = c.task->flexible_active_set_ = false;
  pmu_disable(cpu);
  put_on_all(cpu);
  pmu_enable(cpu);
}

}  // namespace pmusim::hv
