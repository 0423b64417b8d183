// SPDX-License-Identifier: Apache-2.0
// A CPU's life: reset, thread, bare-metal slices, idling.
#include "platform/cpu/cpu.h"

#include <fmt/format.h>

#include <algorithm>

#include "arch/cpuid_features.h"
#include "arch/msr.h"
#include "core/timing/interval.h"
#include "platform/cpu/cost_names.h"
#include "platform/cpu/cpu_parts.h"

namespace pmusim::platform {
using core::Activity;
using core::Stop;

namespace {
constexpr u64 kStackBytes = 1 << 20;
}

Cpu::Cpu(sc_core::sc_module_name name, unsigned id, core::Ram& ram, CpuFabric& fabric)
    : sc_module(name),
      ports("ports"),
      memory("memory"),
      id_(id),
      ram_(ram),
      fabric_(fabric),
      clock_(std::make_unique<Clock>(*this)),
      ipi_port_(std::make_unique<IpiPort>(*this)),
      env_(std::make_unique<Env>(*this)),
      cycle_feed_(std::make_unique<CycleFeed>(*this)),
      monitor_(std::make_unique<Monitor>(*this)),
      apic_(*ipi_port_, *clock_) {
  SC_HAS_PROCESS(Cpu);
  SC_THREAD(thread);
  set_stack_size(kStackBytes);
}

Cpu::~Cpu() = default;

void Cpu::reset(const CpuConfig& config) {
  config_ = config;
  const CpuModel& m = *config.model;
  if (config.make_timing)
    timing_ = config.make_timing(m);
  else if (m.interval)
    timing_ = std::make_unique<core::IntervalTiming>(m.timing);
  else
    timing_ = std::make_unique<core::FunctionalTiming>(m.width);
  core_.reset();  // before what it refers to
  state_ = {};
  core::reset(state_);
  core_ = std::make_unique<core::Core>(ram_, *env_, *timing_);
  costs_ = cost_table(m);
  core::CoreConfig core_config;
  core_config.costs = costs_;
  core_config.amd = m.vendor == pmu::Vendor::Amd;
  core_config.physical_bits = physical_address_bits(m.cpuid);
  core_config.features = core::features_of(m.cpuid);
  core_->configure(core_config);
  core_->set_step(config.step);
  core_->set_state(&state_);
  core_->set_world(World::Host, nullptr, nullptr, 0);
  core_->set_clocks(m.tsc_per_cycle, m.bus_per_cycle);

  pmu_ = std::make_unique<pmu::Pmu>(core_->counts());
  pmu_->add_client(*this);
  pmu_->configure(m);

  ApicFeatures features;
  features.x2apic = m.cpuid.has(cpuid::kX2Apic);
  features.tsc_deadline = m.cpuid.has(cpuid::kTscDeadline);
  features.masks_lvtpc_on_pmi = m.rules->masks_lvtpc_on_pmi();
  features.physical_bits = core_config.physical_bits;
  apic_.power_on(id_, config.bootstrap, features);

  mtrr_ = {};
  random_ = Rng(config.seed ^ u64{id_} << 56);
  tsc_offset_ = tsc_adjust_ = debugctl_ = spec_ctrl_ = mcg_status_ = syscfg_ = hwcr_ = nb_cfg_ = 0;
  const bool debug_store = m.cpuid.has(cpuid::kDs);
  const bool monitor = m.cpuid.has(cpuid::kMonitor);
  misc_enable_ =
      1 | (m.caps.version ? 1 << 7 : 0) | (debug_store ? 0 : 1 << 11 | 1 << 12) | (monitor ? 1 << 18 : 0);
  uncounted_.clear();
  stop_monitoring();
  pmi_due_.clear();
  inbox_.clear();
  host_if_ = in_nmi_ = false;
  handled_ = 0;
  cause_ = HostCause::Boot;
  host_cycles_ = {};
  booked_ = 0;
  guest_tsc_offset_ = 0;
  entry_failure_.clear();
  observing_cycles_ = false;
  vcpu_ = -1;
  handler_ = nullptr;
  bound_ = 0;
  idle_ = parked_ = abandon_ = false;
  finished_ = !config.active;
  if (!config.bootstrap) state_.activity = Activity::WaitForSipi;
}

void Cpu::suspend() {
  wait(go_);
  if (abandon_) throw Abandoned{};
}

// Nothing may wait inside a catch block: exceptions in flight belong to the OS thread, not to this coroutine.
void Cpu::thread() {
  for (;;) {
    wait(go_);
    if (abandon_ || !program_ || finished_) continue;
    std::exception_ptr error;
    in_program_ = true;
    try {
      program_->run(*this);
      finished_ = true;
      fabric_.yield(*this);
    } catch (const Abandoned&) {
    } catch (const sc_core::sc_unwind_exception&) {
      throw;
    } catch (...) {
      error = std::current_exception();
    }
    if (error) {
      finished_ = true;
      fabric_.failed(*this, error);
      error = nullptr;
      try {
        fabric_.yield(*this);
      } catch (const Abandoned&) {
      }
    }
    in_program_ = false;
  }
}

u64 Cpu::tsc() const {
  return model().tsc_per_cycle.floor(cycle()) + tsc_offset_;
}

void Cpu::park() {
  parked_ = true;
  core_->account_time();
  fabric_.yield(*this);
}

void Cpu::wake(u64 at) {
  if (!parked_) return;
  parked_ = false;
  timing_->advance_to(at);
  core_->discard_time();
}

u64 Cpu::next_event() const {
  u64 next = apic_.next_deadline();
  if (!pmi_due_.empty()) next = std::min(next, pmi_due_.front());
  if (!inbox_.empty()) next = std::min(next, inbox_.front().cycle);
  if (config_.bootstrap) next = std::min(next, fabric_.device_deadline());
  if (core_->state().waiting()) next = std::min(next, stored_at_);
  return next;
}

u64 Cpu::next_action() const {
  if (finished_ || parked_ || !program_) return kNever;
  if (!idle_) return cycle();
  const u64 event = next_event();
  return event == kNever ? kNever : std::max(event, cycle());
}

core::Limit Cpu::limit() const {
  const pmu::Horizon h = pmu_->reach(cycle());
  core::Limit limit;
  limit.instructions = std::max<u64>(h.instructions, 1);
  limit.cycle = std::min(next_event(), bound_);
  if (h.cycles < kNever - cycle()) limit.cycle = std::min(limit.cycle, cycle() + std::max<u64>(h.cycles, 1));
  if (limit.cycle <= cycle()) limit.cycle = cycle() + 1;
  // An interrupt shadow ends after one instruction; what waits behind it must be looked at then.
  if (core_->state().interrupt_shadow) limit.instructions = 1;
  return limit;
}

void Cpu::on_overflow(unsigned counter) {
  emit(EventKind::Overflow, counter, 0, "");
}

void Cpu::on_pmi() {
  const u64 due = cycle() + model().pmi_skid;
  pmi_due_.insert(std::upper_bound(pmi_due_.begin(), pmi_due_.end(), due), due);
}

void Cpu::on_unavailable(unsigned counter, u64 selector) {
  ++uncounted_[{counter, selector}];
  const std::string text = fmt::format("event {:#x} on counter {} is not counted by {}", selector, counter,
                                       pmu::not_counted_by(model(), counter, selector));
  emit(EventKind::Gap, counter, selector, text.c_str());
}

void Cpu::follow_pmu() {
  if (pmu_->wants_cycles() == observing_cycles_) return;
  observing_cycles_ = !observing_cycles_;
  if (observing_cycles_)
    core_->attach(*cycle_feed_);
  else
    core_->detach(*cycle_feed_);
}

void Cpu::after_run(u64 spent) {
  pmu_->ran(spent, cycle());
  follow_pmu();
}

void Cpu::sleep() {
  core_->account_time();
  idle_ = true;
  fabric_.yield(*this);
  idle_ = false;
  const u64 next = next_event();
  if (next == kNever) return;
  timing_->advance_to(next);
  core_->discard_time();
}

Stop Cpu::run_to_limit() {
  const Stop stop = core_->run(limit());
  after_run(core_->spent());
  return stop;
}

void Cpu::slice() {
  boundary();
  take_due();
  if (start_up()) return;
  if (deliver_pending()) return;
  if (state_.activity == Activity::Halted || state_.waiting()) return sleep();
  if (state_.activity == Activity::Shutdown) {
    fabric_.triple_fault(*this);
    fabric_.yield(*this);
    return;
  }
  const Stop stop = run_to_limit();
  if (stop == Stop::Shutdown) state_.activity = Activity::Shutdown;
}

std::string Cpu::waits_for() const {
  if (!config_.active) return "inactive";
  if (finished_) return "its program has ended";
  if (parked_) return "parked by its program until woken";
  const u64 event = next_event();
  std::string text;
  if (state_.activity == Activity::Shutdown && !handler_)
    text = "shut down by a triple fault";
  else if (!idle_)
    text = "running";
  else if (state_.activity == Activity::WaitForSipi)
    text = "waits for a start-up IPI";
  else if (core_->state().waiting())
    text = fmt::format("waits (MWAIT) for a store to the line at {:#x}", monitor_->line());
  else
    text = fmt::format("halted with interrupts {}",
                       (handler_ ? host_if_ : (state_.rflags & core::kIF) != 0) ? "enabled" : "disabled");
  if (event != kNever) text += fmt::format(", next event at cycle {}", event);
  if (apic_.pending() >= 0) text += fmt::format(", interrupt {} pending", apic_.pending());
  if (apic_.nmi_pending()) text += ", NMI pending";
  return text;
}

void Cpu::emit(EventKind kind, u64 a, u64 b, const char* text) {
  EventSink* sink = fabric_.sink();
  if (!sink) return;
  Event e = {};
  e.kind = kind;
  e.cpu = static_cast<u8>(id_);
  e.vcpu = vcpu_;
  e.cycle = cycle();
  e.tsc = tsc();
  e.a = a;
  e.b = b;
  e.text = text;
  sink->on_event(e);
}

}  // namespace pmusim::platform
