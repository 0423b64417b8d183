// SPDX-License-Identifier: Apache-2.0
// Events towards the guest: what wakes a halted vCPU, and KVM's order of injection
// (kvm_check_and_inject_events): what was being delivered, then a pending exception, then NMI, then
// interrupt; windows for those that must wait.
#include <algorithm>

#include "hypervisor/kvm/host_kernel.h"
#include "hypervisor/kvm/vcpu.h"
#include "hypervisor/kvm/vm.h"

namespace pmusim::hv {

namespace apic = platform::apic;

void Vcpu::post_message(const platform::ApicMessage& message, u64 at) {
  messages_.push_back({message, at});
}

void Vcpu::accept_messages() {
  if (messages_.empty()) return;
  const u64 now = cycle();
  for (auto it = messages_.begin(); it != messages_.end();) {
    if (it->at > now) {
      ++it;
      continue;
    }
    apic_.receive(it->message);
    collect_nmi();
    requests_ |= kReqEvent;
    it = messages_.erase(it);
  }
}

// process_nmi: one can be pending while NMIs are blocked or one is being delivered, as in hardware; two
// otherwise, since a vCPU that is not in the guest cannot take the first before the second comes.
void Vcpu::collect_nmi() {
  if (!apic_.nmi_pending()) return;
  apic_.take_nmi();
  const bool blocked = state_.nmi_blocked || (reinject_.valid && reinject_.type == EventType::Nmi);
  nmis_ = std::min(nmis_ + 1, blocked ? 1u : 2u);
}

// INIT and start-up messages (kvm_apic_accept_events).
void Vcpu::accept_apic_events() {
  const int vector = apic_.sipi_vector();  // may have arrived together with the INIT, which comes first
  if (apic_.init_pending()) {
    apic_.take_init();
    const u64 cr0 = state_.cr0;
    core::init(state_);
    state_.cr0 |= cr0 & (core::kCr0Cd | core::kCr0Nw);
    apic_.init();
    halted_ = false;
    wait_for_sipi_ = id_ != 0;
    exception_ = reinject_ = {};
    nmis_ = 0;
  }
  if (vector < 0) return;
  apic_.take_sipi();
  if (!wait_for_sipi_) return;
  wait_for_sipi_ = false;
  core::Segment& cs = state_.seg[core::CS];
  cs.selector = static_cast<u16>(vector << 8);
  cs.base = static_cast<u64>(vector) << 12;
  state_.rip = 0;
}

bool Vcpu::has_events() {
  if (requests_ & (kReqPmi | kReqTripleFault)) return true;
  if (exception_.valid || reinject_.valid) return true;
  if ((nmis_ || apic_.nmi_pending()) && !state_.nmi_blocked) return true;
  return vm_.irqchip() && (state_.rflags & core::kIF) && apic_.interrupt_pending();
}

bool Vcpu::runnable() {
  accept_messages();
  if (vm_.irqchip()) {
    apic_.update();
    accept_apic_events();
  }
  if (wait_for_sipi_) return false;
  if (!halted_) return true;
  if (!has_events()) return false;
  halted_ = false;
  note(EventKind::Halt, 0, 0, "leave");
  return true;
}

std::string Vcpu::waits_for() const {
  if (wait_for_sipi_) return "waits for a start-up IPI";
  if (!halted_) return posted ? "running" : "in user space";
  std::string text = "halted with interrupts ";
  text += state_.rflags & core::kIF ? "enabled" : "disabled";
  if (apic_.pending() >= 0) text += ", interrupt " + std::to_string(apic_.pending()) + " pending";
  if (nmis_ || apic_.nmi_pending()) text += ", NMI pending";
  return text;
}

void Vcpu::queue_exception(u8 vector, bool has_error_code, u32 error_code) {
  exception_ = {true,       vector, EventType::HardwareException, has_error_code && state_.protected_mode(),
                error_code, 0};
  requests_ |= kReqEvent;
}

void Vcpu::inject(HostKernel& kernel, const PendingEvent& event) {
  const platform::Charged charged(kernel.cpu(), platform::HostCause::Handlers);
  kernel.work(Path::InjectEvent);
  control_->inject(event);
}

// An 8259A's interrupt first (kvm_cpu_get_interrupt).
u8 Vcpu::take_interrupt() {
  if (apic_.external_pending()) {
    const u8 vector = vm_.acknowledge_external(*cpu_or_home());
    accept_messages();  // the line has fallen
    return vector;
  }
  const u8 vector = static_cast<u8>(apic_.pending());
  apic_.acknowledge(vector);
  return vector;
}

void Vcpu::inject_events(HostKernel& kernel) {
  bool can_inject = true;
  if (reinject_.valid) {
    inject(kernel, reinject_);
    reinject_ = {};
    can_inject = false;
  } else if (exception_.valid) {
    inject(kernel, exception_);
    exception_ = {};
    can_inject = false;
  }
  collect_nmi();
  if (nmis_ && can_inject && !state_.nmi_blocked && !state_.interrupt_shadow) {
    --nmis_;
    PendingEvent nmi;
    nmi.valid = true;
    nmi.vector = kNMI;
    nmi.type = EventType::Nmi;
    inject(kernel, nmi);
    ++statistics_.injected_nmis;
    if ((apic_.lvt(apic::kLvtPc) >> 8 & 7) == 4) note(EventKind::Pmi, kNMI, 0, "inject");
    can_inject = false;
  }
  const bool pending = vm_.irqchip() && apic_.interrupt_pending();
  if (pending && can_inject && (state_.rflags & core::kIF) && !state_.interrupt_shadow) {
    const u8 vector = take_interrupt();
    PendingEvent interrupt;
    interrupt.valid = true;
    interrupt.vector = vector;
    interrupt.type = EventType::ExternalInterrupt;
    inject(kernel, interrupt);
    ++statistics_.injected_interrupts;
    const u32 lvtpc = apic_.lvt(apic::kLvtPc);
    if ((lvtpc >> 8 & 7) == 0 && (lvtpc & 0xff) == vector) note(EventKind::Pmi, vector, 0, "inject");
  }
  const bool want_nmi = nmis_ != 0, want_interrupt = vm_.irqchip() && apic_.interrupt_pending();
  if (want_nmi != control_->nmi_window()) control_->set_nmi_window(want_nmi);
  if (want_interrupt != control_->interrupt_window()) control_->set_interrupt_window(want_interrupt);
}

// The entry was given up: an acknowledged interrupt must not be lost.
void Vcpu::cancel_injection() {
  if (!control_->injecting()) return;
  reinject_ = control_->take_injection();
  control_->cancel_injection();
  requests_ |= kReqEvent;
}

}  // namespace pmusim::hv
