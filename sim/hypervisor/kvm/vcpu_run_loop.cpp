// SPDX-License-Identifier: Apache-2.0
// KVM_RUN: the outer loop (vcpu_run), one pass to the guest (vcpu_enter_guest) with its inner loop of entries
// and fastpath exits, and the order in which requests are handled. After arch/x86/kvm/x86.c and vmx.c/svm.c.
#include "arch/cpuid_features.h"
#include "arch/msr.h"
#include "hypervisor/kvm/host_kernel.h"
#include "hypervisor/kvm/vcpu.h"
#include "hypervisor/kvm/vm.h"
#include "hypervisor/vpmu/vpmu.h"

namespace pmusim::hv {

using core::ExitKind;
using platform::Charged;
using platform::HostCause;
namespace apic = platform::apic;

Vcpu::Status Vcpu::end_run(HostKernel& kernel, int r) {
  kernel.set_running(nullptr);
  ++statistics_.user_exits;
  const Charged charged(kernel.cpu(), HostCause::Monitor);
  kernel.work(Path::VcpuPut);
  kernel.work(Path::UserReturn);
  kernel.work(Path::Vmm);
  returned_to_user_ = true;
  result = r < 0 ? r : 0;
  posted = false;
  if (on_completed) on_completed(*this);
  return Status::UserExit;
}

Vcpu::Status Vcpu::run(HostKernel& kernel) {
  const Charged charged(kernel.cpu(), HostCause::WorldSwitch);
  if (returned_to_user_) {
    const Charged monitors(kernel.cpu(), HostCause::Monitor);
    kernel.work(Path::UserEntry);
    kernel.work(Path::VcpuLoad);
    returned_to_user_ = false;
  }
  kernel.set_running(this);
  if (completion_) {
    const Completion completion = std::move(completion_);
    completion_ = nullptr;
    const Charged handlers(kernel.cpu(), HostCause::Handlers);
    if (const int r = completion(kernel); r <= 0) return end_run(kernel, r);
  }
  for (;;) {
    if (!runnable()) {
      kernel.set_running(nullptr);
      return Status::Blocked;
    }
    if (const int r = enter_guest(kernel); r <= 0) return end_run(kernel, r);
    if (kernel.need_resched()) {
      kernel.set_running(nullptr);
      return Status::Preempted;
    }
  }
}

void Vcpu::recalculate_intercepts() {
  for (const pmu::RegDescription& d : pmu::register_descriptions(host_.model().vendor))
    for (u32 i = 0; i < d.count; ++i) {
      const u32 index = d.address + i * d.stride;
      const bool intercepted = vpmu_->msr_intercepted(index);
      control_->set_msr_intercept(index, intercepted, intercepted);
    }
  control_->set_instruction_intercept(ExitKind::Rdpmc, vpmu_->rdpmc_intercepted());
}

// KVM_REQ_PMU before KVM_REQ_PMI, so that an overflow found in the former is delivered in the same pass.
void Vcpu::handle_requests(HostKernel& kernel) {
  if (requests_ & kReqPmu) {
    requests_ &= ~kReqPmu;
    vpmu_->handle_requests(kernel.cpu());
  }
  if (requests_ & kReqPmi) {
    requests_ &= ~kReqPmi;
    vpmu_->deliver_pmi();
  }
  if (requests_ & kReqRecalc) {
    requests_ &= ~kReqRecalc;
    recalculate_intercepts();
  }
}

bool Vcpu::exit_pending(const HostKernel& kernel) {
  accept_messages();
  return requests_ || kernel.need_resched() || apic_.init_pending();
}

void Vcpu::count_exit() {
  const ExitId id = control_->exit_id(exit_);
  last_reason_ = id.reason;
  last_reason_name_ = id.name;
  ++statistics_.row(id.reason, id.name).count;
  last_access_.reset();
  if (exit_.kind == ExitKind::Rdmsr || exit_.kind == ExitKind::Wrmsr) {
    last_access_ = {static_cast<u32>(state_.gpr[core::RCX]), exit_.kind == ExitKind::Wrmsr};
    ++statistics_.access(*last_access_).count;
  }
  in_host_since_exit_ = true;
  note(EventKind::Exit, id.reason, id.qualification, id.name);
}

// Time since the latest exit is on its account.
void Vcpu::add_host_cycles(ExitStatistics& to, u64 cycles) const {
  to.row(last_reason_, last_reason_name_).host_cycles += cycles;
  if (last_access_) to.access(*last_access_).host_cycles += cycles;
  to.host_cycles += cycles;
}

ExitStatistics Vcpu::statistics() const {
  ExitStatistics now = statistics_;
  if (!ran_on_) return now;
  if (in_guest_)
    now.guest_cycles += ran_on_->cycle() - entry_cycle_;
  else
    add_host_cycles(now, ran_on_->cycle() - exit_cycle_);
  return now;
}

int Vcpu::enter_guest(HostKernel& kernel) {
  platform::PhysicalCpu& cpu = kernel.cpu();
  kernel.work(Path::EnterGuest);
  accept_messages();
  apic_.update();
  if (id_ == 0) vm_.update_devices(cpu);
  handle_requests(kernel);
  if (requests_ & kReqTripleFault) {
    requests_ &= ~kReqTripleFault;
    return shutdown("triple fault");
  }
  requests_ &= ~kReqEvent;
  inject_events(kernel);
  kernel.arm_timer();

  cpu.set_interrupts(false);
  if (exit_pending(kernel)) {
    cancel_injection();
    cpu.set_interrupts(true);
    return 1;
  }
  vpmu_->load(cpu);
  bool handled = false;
  for (;;) {
    kernel.work(Path::InnerEntry);
    vpmu_->prepare_entry(cpu, *control_);
    ++statistics_.entries;
    entry_cycle_ = cpu.cycle();
    if (in_host_since_exit_) add_host_cycles(statistics_, entry_cycle_ - exit_cycle_);
    note(EventKind::Entry, state_.rip, 0, "");
    ran_on_ = &cpu;
    in_guest_ = true;
    exit_ = cpu.enter_guest(*control_);
    in_guest_ = false;
    exit_cycle_ = cpu.cycle();
    statistics_.guest_cycles += exit_cycle_ - entry_cycle_;
    count_exit();
    vpmu_->after_exit(cpu, *control_);
    kernel.work(Path::InnerExit);
    complete_interrupts();
    handled = fastpath(kernel);
    if (!handled || exit_pending(kernel)) break;
  }
  // Everything after this line sees the guest's PMU state in memory only.
  vpmu_->put(cpu);
  kernel.work(Path::LeaveGuest);
  cpu.set_interrupts(
      true);  // the interrupt or NMI that caused the exit reaches the host's handler here at the latest
  return handled ? 1 : handle_exit(kernel);
}

// An event whose delivery the exit interrupted is injected again at the next entry.
void Vcpu::complete_interrupts() {
  reinject_ = control_->vectoring();
  if (!reinject_.valid) return;
  if (reinject_.type == EventType::Nmi) state_.nmi_blocked = false;
  requests_ |= kReqEvent;
}

// Exits completed with interrupts disabled and guest PMU state loaded: x2APIC ICR and TSC-deadline writes.
// Refused while a guest counter counts instructions: its copy in memory is stale.
bool Vcpu::fastpath(HostKernel& kernel) {
  if (exit_.kind != ExitKind::Wrmsr || !vm_.irqchip()) return false;
  const u32 index = static_cast<u32>(state_.gpr[core::RCX]);
  const u64 value = (state_.gpr[core::RDX] << 32) | static_cast<u32>(state_.gpr[core::RAX]);
  const bool icr = index == msr::kX2ApicFirst + apic::kIcr / 16, deadline = index == msr::kTscDeadline;
  if (!icr && !deadline) return false;
  if (!vpmu_->fastpath_allowed()) return false;
  // Fixed delivery, physical destination, no shorthand only.
  if (icr && (!apic_.x2apic() || (value & 0xc0f00) || static_cast<u32>(value >> 32) == 0xffffffff))
    return false;
  if (deadline && !cpuid_.has(cpuid::kTscDeadline)) return false;
  const Charged charged(kernel.cpu(), HostCause::Handlers);
  kernel.work(Path::Fastpath);
  ++statistics_.fastpath;
  if (set_msr(index, value, false)) return false;
  if (deadline) kernel.arm_timer();
  note(EventKind::Msr, index, value, "", true);
  skip_instruction(exit_.instruction_length);
  return true;
}

}  // namespace pmusim::hv
