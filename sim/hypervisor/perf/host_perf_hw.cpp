// SPDX-License-Identifier: Apache-2.0
// HostPerf's register traffic: enabling and disabling the PMU, starting and stopping events, periods, the NMI
// handlers (arch/x86/events/core.c, intel/core.c, amd/core.c), all through the physical CPU's port.
#include <algorithm>

#include "arch/evtsel.h"
#include "arch/msr.h"
#include "base/bits.h"
#include "hypervisor/perf/host_perf.h"
#include "hypervisor/perf/host_perf_cpu.h"

namespace pmusim::hv {

using namespace evtsel;
using platform::Charged;
using platform::HostCause;
using pmu::kFixedBase;
using pmu::Vendor;

namespace {

constexpr u32 kApicLvtpc = 0x340;
constexpr u32 kLvtpcNmi = 0x400;

bool is_fixed(int counter) {
  return counter >= static_cast<int>(kFixedBase);
}
unsigned fixed_index(int counter) {
  return static_cast<unsigned>(counter) - kFixedBase;
}
bool guest_only(const PerfAttr& a) {
  return a.exclude_host;
}
bool host_only(const PerfAttr& a) {
  return a.exclude_guest;
}

// The control nibble of an event on a fixed counter: its PMI is always on.
u64 fixed_nibble(const PerfAttr& a) {
  return (a.exclude_kernel ? 0 : 1u) | (a.exclude_user ? 0 : 2u) | 8u;
}

}  // namespace

void HostPerf::write_counter(PhysicalCpu& cpu, int counter, u64 value) {
  const Charged charged(cpu, HostCause::HostPerf);
  const pmu::Caps& caps = model_->caps;
  if (is_fixed(counter)) {
    cpu.wrmsr(msr::kFixedCtr0 + fixed_index(counter), value & mask(caps.fixed_width));
  } else if (caps.vendor == Vendor::Intel) {
    const u32 base = caps.full_width_writes() ? msr::kAPmc0 : msr::kPerfCtr0;
    cpu.wrmsr(base + static_cast<u32>(counter),
              value & (caps.full_width_writes() ? mask(caps.gp_width) : mask(32)));
  } else {
    cpu.wrmsr(caps.perfctr_core ? msr::kAmdPerfCtr0 + 2 * static_cast<u32>(counter)
                                : msr::kK7PerfCtr0 + static_cast<u32>(counter),
              value & mask(caps.gp_width));
  }
}

u64 HostPerf::read_counter(PhysicalCpu& cpu, int counter) {
  const Charged charged(cpu, HostCause::HostPerf);
  return cpu.rdpmc(is_fixed(counter) ? 0x40000000u | fixed_index(counter) : static_cast<u32>(counter));
}

void HostPerf::write_selector(PhysicalCpu& cpu, int counter, u64 value) {
  const Charged charged(cpu, HostCause::HostPerf);
  const u32 n = static_cast<u32>(counter);
  const u32 amd = model_->caps.perfctr_core ? msr::kAmdPerfCtl0 + 2 * n : msr::kK7EvntSel0 + n;
  cpu.wrmsr(model_->vendor == Vendor::Intel ? msr::kPerfEvtSel0 + n : amd, value);
}

u64 HostPerf::hardware_selector(const Cpu& c, const PerfEvent& event) const {
  const PerfAttr& a = event.attr_;
  u64 value = a.config | (a.exclude_user ? 0 : kUsr) | (a.exclude_kernel ? 0 : kOs) | kInt | kEn;
  if (model_->vendor != Vendor::Amd) return value;
  if (a.exclude_host && a.exclude_guest) return value & ~(kUsr | kOs);  // both bits would mean both modes
  if (a.exclude_host) value |= kGuestOnly;
  if (a.exclude_guest && c.virtualization) value |= kHostOnly;
  return value;
}

u64 HostPerf::counters_where(const Cpu& c, bool (*which)(const PerfAttr&)) const {
  u64 counters = 0;
  for (std::size_t i = 0; i < c.list.size(); ++i)
    if (which(c.list[i]->attr_)) counters |= bit(static_cast<unsigned>(c.assigned[i]));
  return counters;
}

u64 HostPerf::host_global_ctrl(const Cpu& c) const {
  return all_counters_ & ~counters_where(c, guest_only);
}

std::vector<MsrSwitch> HostPerf::guest_msrs(unsigned cpu) const {
  if (model_->vendor != Vendor::Intel || model_->caps.version < 2) return {};
  const Cpu& c = at(cpu);
  return {{msr::kGlobalCtrl, host_global_ctrl(c), all_counters_ & ~counters_where(c, host_only)}};
}

void HostPerf::global_off(PhysicalCpu& cpu) {
  const Charged charged(cpu, HostCause::HostPerf);
  Cpu& c = at(cpu.id());
  if (model_->vendor == Vendor::Intel) {
    cpu.wrmsr(msr::kGlobalCtrl, 0);
  } else if (model_->caps.version >= 2) {
    cpu.wrmsr(msr::kAmdGlobalCtl, 0);
  } else {
    for (const PerfEvent* e : c.list)
      if (e->running_) write_selector(cpu, e->counter_, hardware_selector(c, *e) & ~kEn);
  }
}

void HostPerf::global_on(PhysicalCpu& cpu) {
  const Charged charged(cpu, HostCause::HostPerf);
  Cpu& c = at(cpu.id());
  if (model_->vendor == Vendor::Intel) {
    if (c.fixed_ctrl != c.fixed_ctrl_written)
      cpu.wrmsr(msr::kFixedCtrCtrl, c.fixed_ctrl_written = c.fixed_ctrl);
    cpu.wrmsr(msr::kGlobalCtrl, host_global_ctrl(c));
  } else if (model_->caps.version >= 2) {
    cpu.wrmsr(msr::kAmdGlobalCtl, model_->caps.gp_bits());
  } else {
    for (const PerfEvent* e : c.list)
      if (e->running_) write_selector(cpu, e->counter_, hardware_selector(c, *e));
  }
}

void HostPerf::pmu_disable(PhysicalCpu& cpu) {
  const Charged charged(cpu, HostCause::HostPerf);
  Cpu& c = at(cpu.id());
  if (c.disabled++ || !c.enabled) return;
  c.enabled = false;
  global_off(cpu);
  if (model_->vendor == Vendor::Amd && model_->caps.version >= 2)
    for (const PerfEvent* e : c.list) {  // has it just overflowed?
      u64 status;
      if (e->running_) cpu.rdmsr(msr::kAmdGlobalStatus, status);
    }
}

void HostPerf::pmu_enable(PhysicalCpu& cpu) {
  const Charged charged(cpu, HostCause::HostPerf);
  Cpu& c = at(cpu.id());
  if (--c.disabled) return;
  if (c.added) {
    // First the events that must move are stopped, then moved and new ones are started.
    for (std::size_t i = 0; i < c.list.size(); ++i)
      if (c.list[i]->running_ && c.list[i]->counter_ != c.assigned[i]) stop(cpu, *c.list[i]);
    for (std::size_t i = 0; i < c.list.size(); ++i)
      if (!c.list[i]->running_) {
        c.list[i]->counter_ = c.assigned[i];
        start(cpu, *c.list[i]);
      }
    c.added = false;
    cpu.apic_write(kApicLvtpc, kLvtpcNmi);
  }
  c.enabled = true;
  global_on(cpu);
}

bool HostPerf::arm(PhysicalCpu& cpu, PerfEvent& event) {
  const s64 period = static_cast<s64>(event.period_);
  bool report = false;
  if (event.left_ <= -period) {
    event.left_ = period;
    report = true;
  } else if (event.left_ <= 0) {
    event.left_ += period;
    report = true;
  }
  s64 left = std::max<s64>(event.left_, 2);
  left = std::min<s64>(left, static_cast<s64>(max_period_));
  const unsigned width = is_fixed(event.counter_) ? model_->caps.fixed_width : model_->caps.gp_width;
  event.previous_ = static_cast<u64>(-left) & mask(width);
  write_counter(cpu, event.counter_, event.previous_);
  return report;
}

void HostPerf::start(PhysicalCpu& cpu, PerfEvent& event) {
  Cpu& c = at(cpu.id());
  arm(cpu, event);
  event.running_ = true;
  if (is_fixed(event.counter_))
    c.fixed_ctrl |= fixed_nibble(event.attr_) << (4 * fixed_index(event.counter_));
  else
    write_selector(cpu, event.counter_, hardware_selector(c, event));
}

void HostPerf::stop(PhysicalCpu& cpu, PerfEvent& event) {
  Cpu& c = at(cpu.id());
  if (is_fixed(event.counter_))
    c.fixed_ctrl &= ~(u64{0xf} << (4 * fixed_index(event.counter_)));
  else
    write_selector(cpu, event.counter_, hardware_selector(c, event) & ~kEn);
  fold(cpu, event);
  event.running_ = false;
}

void HostPerf::fold(PhysicalCpu& cpu, PerfEvent& event) {
  const unsigned width = is_fixed(event.counter_) ? model_->caps.fixed_width : model_->caps.gp_width;
  u64 now, previous;
  do {  // an NMI's handler may fold and re-arm while the counter is being read
    previous = event.previous_;
    now = read_counter(cpu, event.counter_);
  } while (event.previous_ != previous);
  const u64 delta = (now - event.previous_) & mask(width);
  event.previous_ = now;
  event.count_ += delta;
  event.left_ -= static_cast<s64>(delta);
}

void HostPerf::overflowed(PhysicalCpu& cpu, PerfEvent& event) {
  if (arm(cpu, event) && event.attr_.sample_period && event.on_overflow) event.on_overflow(event);
}

bool HostPerf::handle_nmi_intel(PhysicalCpu& cpu) {
  Cpu& c = at(cpu.id());
  const bool was_enabled = c.enabled;
  c.enabled = false;
  if (was_enabled) cpu.wrmsr(msr::kGlobalCtrl, 0);
  u64 status = 0;
  cpu.rdmsr(msr::kGlobalStatus, status);
  bool handled = false;
  for (unsigned loops = 0; status && loops < 100; ++loops) {
    cpu.wrmsr(msr::kGlobalStatusReset, status);
    for (const unsigned counter : set_bits(status & model_->caps.counter_bits())) {
      handled = true;
      for (PerfEvent* e : std::vector<PerfEvent*>(c.list))
        if (e->running_ && e->counter_ == static_cast<int>(counter)) {
          fold(cpu, *e);
          overflowed(cpu, *e);
        }
    }
    cpu.rdmsr(msr::kGlobalStatus, status);
  }
  c.enabled = was_enabled;
  if (was_enabled) global_on(cpu);
  cpu.apic_write(kApicLvtpc, kLvtpcNmi);  // late acknowledge, as on Haswell and later
  return handled;
}

bool HostPerf::handle_nmi_amd(PhysicalCpu& cpu) {
  Cpu& c = at(cpu.id());
  const bool v2 = model_->caps.version >= 2;
  bool handled = false;
  u64 status = 0;
  if (v2) {
    const bool was_enabled = c.enabled;
    c.enabled = false;
    if (was_enabled) cpu.wrmsr(msr::kAmdGlobalCtl, 0);
    cpu.rdmsr(msr::kAmdGlobalStatus, status);
    status &= model_->caps.gp_bits();
    if (status) {
      for (PerfEvent* e : std::vector<PerfEvent*>(c.list)) {
        if (!e->running_) continue;
        fold(cpu, *e);
        if (test_bit(status, static_cast<unsigned>(e->counter_))) overflowed(cpu, *e);
      }
      handled = true;
      cpu.wrmsr(msr::kAmdGlobalStatusClr, status);
    }
    c.enabled = was_enabled;
    if (was_enabled) cpu.wrmsr(msr::kAmdGlobalCtl, model_->caps.gp_bits());
    return handled;
  }
  cpu.apic_write(kApicLvtpc, kLvtpcNmi);
  for (PerfEvent* e : std::vector<PerfEvent*>(c.list)) {
    if (!e->running_) continue;
    fold(cpu, *e);
    if (test_bit(e->previous_, model_->caps.gp_width - 1u)) continue;  // still negative: has not wrapped
    handled = true;
    overflowed(cpu, *e);
  }
  return handled;
}

bool HostPerf::handle_nmi(PhysicalCpu& cpu) {
  const Charged charged(cpu, HostCause::HostPerf);
  if (at(cpu.id()).guest_loaded) {  // LVTPC belongs to the guest; perf looks at nothing
    ++nmis_ignored_;
    return false;
  }
  if (!events_) return false;
  return model_->vendor == Vendor::Intel ? handle_nmi_intel(cpu) : handle_nmi_amd(cpu);
}

void HostPerf::set_virtualization(PhysicalCpu& cpu, bool enabled) {
  Cpu& c = at(cpu.id());
  if (c.virtualization == enabled) return;
  c.virtualization = enabled;
  if (model_->vendor != Vendor::Amd || c.list.empty()) return;
  global_off(cpu);
  if (model_->caps.version >= 2)
    for (const PerfEvent* e : c.list)
      if (e->running_) write_selector(cpu, e->counter_, hardware_selector(c, *e));
  global_on(cpu);
}

void HostPerf::load_guest_lvtpc(PhysicalCpu& cpu, u32 value) {
  const Charged charged(cpu, HostCause::HostPerf);
  cpu.apic_write(kApicLvtpc, value);
}
void HostPerf::put_guest_lvtpc(PhysicalCpu& cpu) {
  const Charged charged(cpu, HostCause::HostPerf);
  cpu.apic_write(kApicLvtpc, kLvtpcNmi);
}

}  // namespace pmusim::hv
