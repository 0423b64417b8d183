// SPDX-License-Identifier: Apache-2.0
// What reaches a CPU: messages of other APICs, PMIs, INIT and SIPI, the end of a wait; and its delivery on
// bare metal.
#include <algorithm>

#include "platform/cpu/cpu.h"
#include "platform/cpu/cpu_parts.h"

namespace pmusim::platform {
using core::Activity;
using core::Stop;

void Cpu::post(u64 arrival, unsigned from, const ApicMessage& message) {
  if (!config_.active) return;
  auto later = [](const Arrival& a, const Arrival& b) {
    return a.cycle != b.cycle ? a.cycle < b.cycle : a.from < b.from;
  };
  const Arrival entry{arrival, from, message};
  inbox_.insert(std::upper_bound(inbox_.begin(), inbox_.end(), entry, later), entry);
}

void Cpu::raise_pmi() {
  const u32 entry = apic_.lvt(apic::kLvtPc);
  const LocalApic::Local result = apic_.pmi();
  emit(EventKind::Pmi, result == LocalApic::Local::Nmi ? u64{kNMI} : entry & 0xff, entry,
       result == LocalApic::Local::Masked ? "drop" : "raise");
}

void Cpu::take_due() {
  const u64 now = cycle();
  while (!pmi_due_.empty() && pmi_due_.front() <= now) {
    pmi_due_.erase(pmi_due_.begin());
    raise_pmi();
  }
  apic_.update();
  if (config_.bootstrap) fabric_.update_devices();
  // x86 has one NMI running and one pending after it (KVM's process_nmi()): of two that come together the
  // first is taken now, and the second, with what came after it, waits behind it.
  const bool takes_nmis = !handler_ && !state_.nmi_blocked && state_.activity != Activity::WaitForSipi;
  bool nmi_is_next = takes_nmis && apic_.nmi_pending();
  while (!inbox_.empty() && inbox_.front().cycle <= now) {
    const ApicMessage message = inbox_.front().message;
    const bool accepted = apic_.accepts(message);
    if (accepted && message.delivery == ApicDelivery::Nmi && nmi_is_next) break;
    inbox_.erase(inbox_.begin());
    if (accepted) apic_.receive(message);
    nmi_is_next = takes_nmis && apic_.nmi_pending();
  }
  const core::CpuState& s = core_->state();
  if (s.waiting() && stored_at_ <= now) end_wait();
  if (s.activity == Activity::WaitingMasked && apic_.interrupt_pending()) end_wait();
}

void Cpu::stop_monitoring() {
  ram_.disarm(*monitor_);
  stored_at_ = kNever;
}

void Cpu::end_wait() {
  core_->state().activity = Activity::Running;
  stop_monitoring();
}

// INIT takes the CPU to wait-for-SIPI from anywhere; a SIPI means something only there. The bootstrap CPU
// would restart at the reset vector after INIT (SDM, "MP Initialization"); there is no firmware, so it waits
// as well.
bool Cpu::start_up() {
  if (apic_.init_pending()) {
    apic_.init();
    stop_monitoring();
    core::init(state_);
    core_->set_state(&state_);
    state_.activity = Activity::WaitForSipi;
  }
  if (state_.activity != Activity::WaitForSipi) {
    apic_.take_sipi();
    return false;
  }
  const int vector = apic_.sipi_vector();
  apic_.take_sipi();
  if (vector >= 0) {
    core::Segment& cs = state_.seg[core::CS];
    cs.selector = static_cast<u16>(vector << 8);
    cs.base = static_cast<u64>(vector) << 12;
    state_.rip = 0;
    state_.activity = Activity::Running;
    core_->set_state(&state_);
    return false;
  }
  sleep();
  return true;
}

// An 8259A's interrupt comes before those of the APIC (as KVM's kvm_cpu_get_interrupt).
u8 Cpu::take_interrupt() {
  if (apic_.external_pending()) return fabric_.acknowledge_external();
  const u8 vector = static_cast<u8>(apic_.pending());
  apic_.acknowledge(vector);
  return vector;
}

void Cpu::count_interrupt() {
  core_->mutable_counts().in(core_->context())[static_cast<unsigned>(Count::Interrupts)] += 1;
}

bool Cpu::deliver_pending() {
  PendingEvent event;
  event.valid = true;
  if (apic_.nmi_pending() && core_->can_take_nmi()) {
    apic_.take_nmi();
    event.vector = kNMI;
    event.type = EventType::Nmi;
  } else if (apic_.interrupt_pending() && core_->can_take_interrupt()) {
    event.vector = take_interrupt();
    event.type = EventType::ExternalInterrupt;
  } else {
    return false;
  }
  if (state_.waiting()) stop_monitoring();
  state_.activity = Activity::Running;
  core_->account_time();
  const Stop stop = core_->deliver(event);
  count_interrupt();
  after_run(kDeliverySteps);
  if (stop == Stop::Shutdown) state_.activity = Activity::Shutdown;
  return true;
}

}  // namespace pmusim::platform
