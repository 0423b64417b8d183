// SPDX-License-Identifier: Apache-2.0
// The host kernel of one CPU.
#include "hypervisor/kvm/host_kernel.h"

#include <algorithm>

#include "arch/msr.h"
#include "base/bits.h"
#include "hypervisor/kvm/host.h"
#include "hypervisor/kvm/vcpu.h"
#include "hypervisor/perf/host_perf.h"
#include "hypervisor/vpmu/vpmu.h"
#include "platform/apic/local_apic.h"

namespace pmusim::hv {

namespace apic = platform::apic;
using platform::Charged;
using platform::HostCause;

HostKernel::HostKernel(Host& host, platform::PhysicalCpu& cpu)
    : host_(host), costs_(host.config().costs), cpu_(cpu) {
  cpu_.set_handler(this);
}

// As Linux leaves a CPU before the first VM: APIC enabled, timer one-shot, PMIs as NMIs, virtualization on.
void HostKernel::boot() {
  const Charged charged(cpu_, HostCause::Boot);
  booted_ = true;
  cpu_.set_interrupts(false);
  if (test_bit(cpu_.cpuid(1, 0).ecx, 21)) {
    u64 base = 0;
    cpu_.rdmsr(msr::kApicBase, base);
    x2apic_ = cpu_.wrmsr(msr::kApicBase, base | apic::kBaseExtd);
  }
  cpu_.apic_write(apic::kSvr, 0x100 | kSpuriousVector);
  has_tsc_deadline_ = test_bit(cpu_.cpuid(1, 0).ecx, 24);
  cpu_.apic_write(apic::kLvtTimer, kLocalTimerVector | (has_tsc_deadline_ ? 2u << 17 : 0));
  cpu_.apic_write(apic::kDivide, 0xb);  // by 1
  cpu_.apic_write(apic::kLvtPc, 4u << 8);
  // Power-on enables every general-purpose counter: off, or perf's first selector would count the host's own
  // steps until perf writes the control (amd_pmu_cpu_reset; assumed for Intel).
  if (host_.model().caps.version >= 2) cpu_.wrmsr(host_.intel() ? msr::kGlobalCtrl : msr::kAmdGlobalCtl, 0);
  if (!host_.intel()) {
    u64 efer = 0;
    cpu_.rdmsr(msr::kEfer, efer);
    cpu_.wrmsr(msr::kEfer, efer | core::kEferSvme);
    host_.perf().set_virtualization(cpu_, true);
  }
  cpu_.set_interrupts(true);
}

void HostKernel::add_thread(Vcpu& vcpu) {
  threads_.push_back(&vcpu);
}

void HostKernel::remove_thread(Vcpu& vcpu) {
  threads_.erase(std::remove(threads_.begin(), threads_.end(), &vcpu), threads_.end());
  next_thread_ = 0;
  if (current_ == &vcpu) current_ = nullptr;
  if (running_ == &vcpu) running_ = nullptr;
}

bool HostKernel::has_work() const {
  return !jobs_.empty() ||
         std::any_of(threads_.begin(), threads_.end(), [](const Vcpu* v) { return v->posted; });
}

Vcpu* HostKernel::pick() {
  // A thread keeps the CPU until its time slice ends, also across returns to user space.
  if (!need_resched_ && current_ && current_->posted && current_->runnable()) return current_;
  for (std::size_t i = 0; i < threads_.size(); ++i) {
    const std::size_t n = (next_thread_ + i) % threads_.size();
    if (!threads_[n]->posted || !threads_[n]->runnable()) continue;
    next_thread_ = n + 1;
    return threads_[n];
  }
  return nullptr;
}

void HostKernel::run_as(Vcpu& vcpu, const std::function<void()>& action) {
  switch_to(&vcpu);
  action();
}

void HostKernel::switch_to(Vcpu* next) {
  if (current_ == next) return;
  const Charged charged(cpu_, HostCause::Scheduler);
  if (current_) {
    current_->sched_out(*this);
    work(Path::ContextSwitch);
  }
  current_ = next;
  if (next) next->sched_in(*this);
}

void HostKernel::run() {
  const Charged charged(cpu_, HostCause::Scheduler);
  if (!booted_) boot();
  while (has_work()) {
    if (!jobs_.empty()) {
      const std::function<void()> job = std::move(jobs_.front());
      jobs_.pop_front();
      const Charged monitors(cpu_, HostCause::Monitor);
      job();
      continue;
    }
    cpu_.set_interrupts(false);  // no wake-up may slip in between the check and the halt
    if (Vcpu* next = pick()) {
      cpu_.set_interrupts(true);
      const bool new_slice = next != current_ || need_resched_ || slice_end_ == kNever;
      switch_to(next);
      need_resched_ = false;
      if (new_slice)
        slice_end_ = threads_.size() > 1 ? cpu_.tsc() + host_.config().time_slice_cycles : kNever;
      if (next->run(*this) == Vcpu::Status::Blocked) work(Path::Block);
      continue;
    }
    slice_end_ = kNever;
    arm_timer();
    cpu_.halt();
    cpu_.set_interrupts(true);
  }
}

u64 HostKernel::next_deadline() {
  u64 deadline = slice_end_;
  for (Vcpu* vcpu : threads_)
    if (vcpu->posted) deadline = std::min(deadline, vcpu->timer_deadline());
  const u64 mux = host_.perf().mux_deadline(cpu_.id());
  if (mux != kNever) {
    const u64 now = cpu_.cycle(), wait = mux > now ? mux - now : 0;
    deadline = std::min(deadline, cpu_.tsc() + cpu_.model().tsc_per_cycle.ceil(wait));
  }
  return deadline;
}

void HostKernel::arm_timer() {
  const u64 deadline = next_deadline();
  if (deadline == armed_) return;
  armed_ = deadline;
  if (has_tsc_deadline_) {
    cpu_.wrmsr(msr::kTscDeadline, deadline == kNever ? 0 : std::max<u64>(deadline, 1));
    return;
  }
  if (deadline == kNever) {
    cpu_.apic_write(apic::kInitialCount, 0);
    return;
  }
  // One-shot count; should it fire early, the handler arms it again.
  const u64 now = cpu_.tsc(), wait = deadline > now ? deadline - now : 1;
  cpu_.apic_write(apic::kInitialCount, static_cast<u32>(std::clamp<u64>(timer_count(wait), 1, 0xffffffff)));
}

u64 HostKernel::timer_count(u64 tsc_ticks) {
  if (!timer_calibrated_) {  // as Linux: compare both clocks over a while
    const Charged charged(cpu_, HostCause::Boot);
    cpu_.apic_write(apic::kLvtTimer, kLocalTimerVector | apic::kMasked);
    cpu_.apic_write(apic::kInitialCount, 0xffffffff);
    const u64 t0 = cpu_.rdtsc();
    cpu_.work({200'000, 20'000, 10'000});
    const u64 t1 = cpu_.rdtsc();
    calibration_ticks_ = 0xffffffffu - cpu_.apic_read(apic::kCurrentCount);
    calibration_tsc_ = t1 - t0;
    cpu_.apic_write(apic::kInitialCount, 0);
    cpu_.apic_write(apic::kLvtTimer, kLocalTimerVector);
    timer_calibrated_ = true;
  }
  return Ratio{calibration_ticks_, calibration_tsc_}.floor(tsc_ticks) + 1;
}

void HostKernel::kick(unsigned target) {
  if (x2apic_) {
    cpu_.wrmsr(msr::kX2ApicFirst + apic::kIcr / 16, static_cast<u64>(target) << 32 | kRescheduleVector);
    return;
  }
  cpu_.apic_write(apic::kIcrHigh, target << 24);
  cpu_.apic_write(apic::kIcr, kRescheduleVector);
}

void HostKernel::host_nmi() {
  ++statistics_.nmis;
  work(Path::Nmi);
  if (!host_.perf().handle_nmi(cpu_)) ++statistics_.unknown_nmis;
}

void HostKernel::host_interrupt(u8 vector) {
  work(Path::Interrupt);
  if (vector == kSpuriousVector) {  // has no EOI
    ++statistics_.spurious;
    return;
  }
  cpu_.apic_write(apic::kEoi, 0);
  switch (vector) {
    case kLocalTimerVector: {
      ++statistics_.timer_interrupts;
      armed_ = kNever;
      work(Path::Timer);
      const u64 now = cpu_.tsc();
      for (Vcpu* vcpu : threads_)
        if (vcpu->timer_deadline() <= now) vcpu->timer_expired();
      if (host_.perf().mux_deadline(cpu_.id()) <= cpu_.cycle()) host_.perf().mux_timer(cpu_);
      if (slice_end_ <= now) {
        need_resched_ = true;
        slice_end_ = kNever;
      }
      arm_timer();
      break;
    }
    case kGuestPmiVector:
      ++statistics_.guest_pmis;
      if (running_) running_->vpmu().mediated_pmi();
      break;
    case kRescheduleVector:
      ++statistics_.kicks;
      break;
    default:
      ++statistics_.spurious;
      break;
  }
}

}  // namespace pmusim::hv
