// SPDX-License-Identifier: Apache-2.0
// The kvm_pmc state machine: read, write, pause, resume, reprogram, overflow, lazy release.
#include "hypervisor/vpmu/backing_host_perf.h"

#include "arch/evtsel.h"
#include "arch/msr.h"
#include "base/bits.h"
#include "hypervisor/vpmu/audit.h"

namespace pmusim::hv {

using namespace evtsel;
using pmu::kFixedBase;

namespace {

// What reaches perf of a selector.
u64 raw_event_mask(const pmu::Caps& caps) {
  const u64 common = kEvent | kUmask | kEdge | kInv | kCmask;
  if (caps.vendor == pmu::Vendor::Amd) return common | kEventHigh;
  return common | (caps.rtm ? kInTx | kInTxCp : 0);
}

}  // namespace

HostPerfBacking::~HostPerfBacking() {
  for (unsigned n = 0; n < kSlots; ++n) release(n);
}

void HostPerfBacking::reset() {
  for (unsigned n = 0; n < kSlots; ++n) {
    release(n);
    pmcs_[n] = Pmc{};
  }
  need_cleanup_ = false;
}

u64 HostPerfBacking::read_counter(unsigned counter) {
  Pmc& pmc = pmcs_[counter];
  u64 value = s_.stored(counter) + pmc.emulated;
  if (pmc.event && !pmc.paused) value += s_.perf->read(cpu(), *pmc.event);  // perf's times are not looked at
  return value & s_.width_mask(counter);
}

void HostPerfBacking::write_counter(unsigned counter, u64 value) {
  Pmc& pmc = pmcs_[counter];
  pmc.in_use = true;
  pmc.emulated = 0;
  // The live event is not stopped: the base moves by the difference.
  u64& base = s_.stored(counter);
  base = (base + value - read_counter(counter)) & s_.width_mask(counter);
  if (pmc.event && !pmc.paused && pmc.event->attr().sample_period)
    s_.perf->set_period(cpu(), *pmc.event, sample_period(counter));
}

u64 HostPerfBacking::sample_period(unsigned counter) const {
  const u64 period = (0 - s_.stored(counter)) & s_.width_mask(counter);
  return period ? period : s_.width_mask(counter) + 1;
}

u64 HostPerfBacking::config_of(unsigned counter) const {
  return counter >= kFixedBase ? s_.control_nibble(counter - kFixedBase) : s_.regs.selector[counter];
}

void HostPerfBacking::controls_written(const pmu::Registers& before) {
  const u64 changed = changed_counters(s_, before);
  for (const unsigned counter : set_bits(changed)) pmcs_[counter].in_use = true;
  s_.request_reprogram(changed);
}

void HostPerfBacking::increment(unsigned counter) {
  ++pmcs_[counter].emulated;  // an overflow shows at the next pause
  s_.request_reprogram(bit(counter));
}

bool HostPerfBacking::pause(unsigned counter) {
  Pmc& pmc = pmcs_[counter];
  u64 value = s_.stored(counter);
  if (pmc.event && !pmc.paused) value += s_.perf->pause_and_reset(cpu(), *pmc.event);
  // After perf's part: an overflow in there is the hardware's to report.
  const u64 previous = value & s_.width_mask(counter);
  s_.stored(counter) = (value + pmc.emulated) & s_.width_mask(counter);
  pmc.emulated = 0;
  pmc.paused = true;
  return s_.stored(counter) < previous;
}

bool HostPerfBacking::resume(unsigned counter) {
  Pmc& pmc = pmcs_[counter];
  if (!pmc.event) return false;
  if (pmc.event->attr().sample_period && s_.perf->set_period(cpu(), *pmc.event, sample_period(counter)))
    return false;
  s_.perf->enable(cpu(), *pmc.event);
  pmc.paused = false;
  return true;
}

int HostPerfBacking::reprogram(unsigned counter) {
  Pmc& pmc = pmcs_[counter];
  const bool overflowed = pause(counter);
  if (!s_.globally_enabled(counter) || !s_.locally_enabled(counter) || !s_.filter_allows(counter)) return 0;
  if (overflowed) signal_overflow(counter);
  const u64 config = config_of(counter);
  if (pmc.event && pmc.config == config && resume(counter)) return 0;
  release(counter);
  pmc.config = config;
  return create(counter);
}

PerfAttr HostPerfBacking::attributes(unsigned counter) const {
  const u64 selector = s_.selector(counter);
  PerfAttr attr;
  attr.config = selector & raw_event_mask(s_.caps);
  attr.pinned = true;
  attr.exclude_host = true;
  attr.exclude_user = !(selector & kUsr);
  attr.exclude_kernel = !(selector & kOs);
  // Also without INT, so that status bits appear. A counter with IN_TXCP never overflows.
  attr.sample_period = attr.config & kInTxCp ? 0 : sample_period(counter);
  return attr;
}

int HostPerfBacking::create(unsigned counter) {
  Pmc& pmc = pmcs_[counter];
  const PerfAttr attr = attributes(counter);
  const int error = s_.perf->create_task_event(cpu(), task_, attr, &pmc.event);
  if (error) return error;
  pmc.event->on_overflow = [this, counter](PerfEvent&) { perf_overflow(counter); };
  pmc.paused = false;
  pmc.intr = s_.interrupts(counter);
  return 0;
}

void HostPerfBacking::release(unsigned counter) {
  Pmc& pmc = pmcs_[counter];
  if (!pmc.event) return;
  s_.perf->release(cpu(), pmc.event);
  pmc.event = nullptr;
  pmc.config = 0;
}

void HostPerfBacking::perf_overflow(unsigned counter) {
  if (test_bit(s_.reprogram, counter)) return;  // a write by the guest is on its way
  s_.reprogram |= bit(counter);
  signal_overflow(counter);
  s_.hooks->request_pmu();
}

void HostPerfBacking::signal_overflow(unsigned counter) {
  s_.set_status(counter);
  if (pmcs_[counter].intr) s_.hooks->request_pmi();
}

void HostPerfBacking::handle_requests(PhysicalCpu&) {
  const u64 wanted = s_.reprogram;
  s_.reprogram &= ~wanted;
  for (const unsigned counter : set_bits(wanted & s_.counters())) {
    // On failure the bit comes back without a request: tried again when something else asks.
    if (reprogram(counter)) s_.reprogram |= bit(counter);
  }
  if (need_cleanup_) cleanup();
}

void HostPerfBacking::cleanup() {
  need_cleanup_ = false;
  for (unsigned counter = 0; counter < kSlots; ++counter) {
    Pmc& pmc = pmcs_[counter];
    if (pmc.event && !pmc.in_use && !s_.locally_enabled(counter)) {
      s_.stored(counter) = read_counter(counter);
      pmc.emulated = 0;
      release(counter);
      pmc.paused = true;
    }
    pmc.in_use = false;
  }
}

void HostPerfBacking::prepare_entry(PhysicalCpu& cpu, ControlBlockPmuFields& fields) {
  atomic_switch_perf_msrs(*s_.perf, cpu, fields);
}

u64 HostPerfBacking::peek(unsigned counter, const AuditProbe& probe) const {
  const Pmc& pmc = pmcs_[counter];
  u64 value = s_.stored(counter) + pmc.emulated;
  if (pmc.event && !pmc.paused) value += pmc.event->count();
  if (const int placed = HostPerfBacking::physical(counter); placed >= 0) {
    const unsigned physical = static_cast<unsigned>(placed);
    const unsigned width = physical >= kFixedBase ? s_.host->caps.fixed_width : s_.host->caps.gp_width;
    value += (probe.counter(s_.hooks->cpu()->id(), physical) - pmc.event->raw_at_fold()) & mask(width);
  }
  return value & s_.width_mask(counter);
}

int HostPerfBacking::physical(unsigned counter) const {
  const Pmc& pmc = pmcs_[counter];
  return pmc.event && !pmc.paused && pmc.event->in_hardware() && s_.hooks->cpu() ? pmc.event->counter() : -1;
}

void HostPerfBacking::sched_in(PhysicalCpu& cpu) {
  s_.perf->task_in(cpu, task_);
  for (const Pmc& pmc : pmcs_)
    if (pmc.event) need_cleanup_ = true;
  if (need_cleanup_) s_.hooks->request_pmu();
}

void HostPerfBacking::sched_out(PhysicalCpu& cpu) {
  s_.perf->task_out(cpu, task_);
}

}  // namespace pmusim::hv
