// SPDX-License-Identifier: Apache-2.0
// Guest mode: VM-entry, guest slices, VM-exit. The entry's cost passes before the control block's register
// work and the exit's after it, both in the host's context: what the control block switches (GLOBAL_CTRL on
// Intel) therefore counts neither transition for the guest. Physical interrupts and NMIs that are not
// intercepted stay pending; delivery through the guest's IDT without an exit is not modelled.
#include <algorithm>
#include <stdexcept>

#include "platform/cpu/cpu_parts.h"

namespace pmusim::platform {
using core::Activity;
using core::Cost;
using core::ExitKind;
using core::Stop;
using core::VmExit;

bool Cpu::physical_exit(const ControlBlock& block, VmExit& exit) const {
  if (apic_.nmi_pending() && block.nmi()) {
    exit.kind = ExitKind::Nmi;
    return true;
  }
  if (apic_.interrupt_pending() && block.external_interrupt()) {
    exit.kind = ExitKind::ExternalInterrupt;
    exit.qualification = static_cast<u64>(std::max(apic_.pending(), 0));
    return true;
  }
  // Windows open at an instruction boundary where the guest itself could take the event; the NMI's comes
  // first.
  if (core_->can_take_nmi() && block.instruction(ExitKind::NmiWindow)) {
    exit.kind = ExitKind::NmiWindow;
    return true;
  }
  if (core_->can_take_interrupt() && block.instruction(ExitKind::InterruptWindow)) {
    exit.kind = ExitKind::InterruptWindow;
    return true;
  }
  return false;
}

VmExit Cpu::guest_loop(ControlBlock& block) {
  core::CpuState& guest = block.guest_state();
  const PendingEvent injection = block.take_injection();
  if (injection.valid) {
    guest.activity = Activity::Running;
    const Stop stop = core_->deliver(injection);
    if (injection.type == EventType::ExternalInterrupt || injection.type == EventType::Nmi) count_interrupt();
    after_run(kDeliverySteps);
    if (stop == Stop::VmExit) return core_->exit();
  }
  for (;;) {
    boundary();
    take_due();
    VmExit physical;
    if (physical_exit(block, physical)) return physical;
    if (guest.activity != Activity::Running) {
      sleep();
      continue;
    }
    const Stop stop = run_to_limit();
    if (stop == Stop::VmExit) return core_->exit();
    if (stop == Stop::Shutdown) throw std::logic_error("triple fault in guest mode without a VM-exit");
  }
}

VmExit Cpu::enter_guest(ControlBlock& block) {
  const Charged charged(*this, HostCause::WorldSwitch);
  retire_host();  // VMLAUNCH, VMRESUME or VMRUN; what is pending comes before it
  spend(Cost::VmEntry);
  entry_failure_ = block.load(*this);
  if (!entry_failure_.empty()) {
    VmExit failed;
    failed.kind = ExitKind::EntryFailure;
    host_boundary();
    return failed;
  }
  core_->account_time();
  stop_monitoring();
  block.guest_state().repeat_flags = 0;  // an instruction goes on with the flags that are loaded
  core_->set_state(&block.guest_state());
  core_->set_world(World::Guest, &block.second_stage(), &block, block.tag());
  guest_tsc_offset_ = block.tsc_offset();
  vcpu_ = block.vcpu();
  VmExit exit;
  try {
    exit = guest_loop(block);
  } catch (...) {
    // The report wants the guest's registers, so the core keeps its state; only bookkeeping is put right.
    guest_tsc_offset_ = 0;
    vcpu_ = -1;
    throw;
  }
  core_->account_time();
  pmu_->sync();
  if (block.guest_state().waiting()) end_wait();
  stop_monitoring();
  guest_tsc_offset_ = 0;
  vcpu_ = -1;
  core_->set_state(&state_);
  core_->set_world(World::Host, nullptr, nullptr, 0);
  block.store(*this, exit);
  spend(Cost::VmExit);
  host_boundary();  // an NMI that caused or met the exit is handled before the caller goes on
  return exit;
}

}  // namespace pmusim::platform
