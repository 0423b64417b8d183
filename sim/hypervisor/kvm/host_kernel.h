// SPDX-License-Identifier: Apache-2.0
// The host kernel on one physical CPU: interrupt and NMI dispatch, the one-shot timer, inter-processor kicks,
// and a round-robin scheduler of the vCPU threads placed on it. Everything it does goes through the CPU's
// port. Not modelled: halt polling, load balancing (a thread moves only when told), softirqs, other tasks of
// the host.
#pragma once

#include <deque>
#include <functional>
#include <vector>

#include "hypervisor/kvm/costs.h"
#include "platform/cpu/physical_cpu.h"

namespace pmusim::hv {

class Host;
class Vcpu;

// Linux's vectors (arch/x86/include/asm/irq_vectors.h).
inline constexpr u8 kLocalTimerVector = 0xec, kGuestPmiVector = 0xf5, kRescheduleVector = 0xfd,
                    kSpuriousVector = 0xff;

class HostKernel final : public platform::HostHandler {
 public:
  HostKernel(Host& host, platform::PhysicalCpu& cpu);

  platform::PhysicalCpu& cpu() { return cpu_; }
  Host& host() { return host_; }
  void work(Path path) { cpu_.work(costs_[path]); }

  // The CPU's program: start-up once, then work until there is none (no job, no runnable or blocked vCPU).
  void run();
  bool has_work() const;
  void post(std::function<void()> job) { jobs_.push_back(std::move(job)); }
  // An action of the vCPU's thread, on this CPU.
  void run_as(Vcpu& vcpu, const std::function<void()>& action);
  void switch_away() { switch_to(nullptr); }

  void add_thread(Vcpu& vcpu);
  void remove_thread(Vcpu& vcpu);
  // The vCPU whose thread is on this CPU, and the one inside KVM_RUN's vcpu_load section; nullptr: none.
  Vcpu* current() { return current_; }
  void set_running(Vcpu* vcpu) { running_ = vcpu; }
  Vcpu* running() { return running_; }
  bool need_resched() const { return need_resched_ || !jobs_.empty(); }

  // Programs the one-shot timer for the earliest of: guest timers here, perf's multiplexing, the time slice.
  void arm_timer();
  // Interrupts another CPU, so that its vCPU looks at its requests.
  void kick(unsigned target);

  void host_nmi() override;
  void host_interrupt(u8 vector) override;

  struct Statistics {
    u64 nmis = 0, unknown_nmis = 0, timer_interrupts = 0, guest_pmis = 0, kicks = 0, spurious = 0;
  };
  const Statistics& statistics() const { return statistics_; }

 private:
  void boot();
  void switch_to(Vcpu* next);
  Vcpu* pick();
  u64 next_deadline();
  u64 timer_count(u64 tsc_ticks);  // of the APIC timer without TSC-deadline mode

  Host& host_;
  const HostCosts& costs_;
  platform::PhysicalCpu& cpu_;
  bool booted_ = false, x2apic_ = false, has_tsc_deadline_ = false, need_resched_ = false;
  std::deque<std::function<void()>> jobs_;
  std::vector<Vcpu*> threads_;
  std::size_t next_thread_ = 0;
  Vcpu* current_ = nullptr;
  Vcpu* running_ = nullptr;
  u64 armed_ = kNever, slice_end_ = kNever;
  bool timer_calibrated_ = false;
  u64 calibration_ticks_ = 0, calibration_tsc_ = 1;
  Statistics statistics_;
};

}  // namespace pmusim::hv
