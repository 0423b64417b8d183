// SPDX-License-Identifier: Apache-2.0
// One vCPU of the simulated KVM: state, requests, the run loop of arch/x86/kvm/x86.c and the vendors'
// vcpu_run, exit handlers and emulated MSRs. Methods that touch the physical CPU run on its thread. Not
// modelled: nested virtualization, halt polling, APIC virtualization, preemption timer, SMM.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "arch/cpuid.h"
#include "hypervisor/api/kvm_api.h"
#include "hypervisor/hw/control_block.h"
#include "hypervisor/kvm/costs.h"
#include "hypervisor/kvm/emulator.h"
#include "hypervisor/kvm/host.h"
#include "hypervisor/vpmu/vcpu_hooks.h"
#include "platform/apic/local_apic.h"

namespace pmusim::hv {

class Vm;
class Vpmu;
class HostKernel;

class Vcpu final : public VcpuHooks, public platform::ApicClock, public EmulatorDevices {
 public:
  Vcpu(Vm& vm, unsigned id, unsigned cpu);
  ~Vcpu() override;

  unsigned id() const { return id_; }
  Vm& vm() { return vm_; }
  Vpmu& vpmu() { return *vpmu_; }
  platform::LocalApic& apic() { return apic_; }
  GuestControl& control() { return *control_; }
  core::CpuState& state() { return state_; }
  kvm::Run& run_data() { return run_; }
  ExitStatistics statistics() const;  // up to now, wherever the vCPU is
  std::string waits_for() const;      // for people: "running", "halted with interrupts disabled", ...

  // --- ioctls (on the thread of the physical CPU the vCPU is placed on)
  int set_cpuid(const std::vector<kvm::CpuidEntry2>& entries);
  u64 valid_cr4_bits() const;
  int get_msr(u32 index, u64& value, bool host_initiated);  // 0, or 1 for #GP (as KVM's functions)
  int set_msr(u32 index, u64 value, bool host_initiated);

  // --- running
  void recalculate_intercepts();  // KVM_REQ_RECALC_INTERCEPTS: the MSR map as the vPMU says
  enum class Status : u8 { UserExit, Preempted, Blocked };
  Status run(HostKernel& kernel);           // KVM_RUN until something the host must deal with
  bool runnable();                          // not blocked, or woken
  bool posted = false;                      // a KVM_RUN is in progress
  int result = 0;                           // of the last KVM_RUN
  std::function<void(Vcpu&)> on_completed;  // a KVM_RUN has ended
  unsigned placed_on() const { return placed_on_; }
  void place_on(unsigned cpu) { placed_on_ = cpu; }
  void sched_in(HostKernel& kernel);
  void sched_out(HostKernel& kernel);
  // Next deadline of the virtual APIC's timer in host TSC ticks.
  u64 timer_deadline();
  void timer_expired();

  // A message for the virtual APIC, acceptable from host TSC `at` on.
  void post_message(const platform::ApicMessage& message, u64 at);

  // --- VcpuHooks
  void request_pmu() override { requests_ |= kReqPmu; }
  void request_pmi() override { requests_ |= kReqPmi; }
  void request_recalc_intercepts() override { requests_ |= kReqRecalc; }
  u8 guest_cpl() const override { return state_.cpl; }
  u64 guest_cr0() const override { return state_.cr0; }
  u64 guest_cr4() const override { return state_.cr4; }
  u64 guest_efer() const override { return state_.efer; }
  u8 emulated_opcode() const override { return emulated_opcode_; }
  bool in_guest_hypervisor_mode() const override { return false; }
  bool has_in_kernel_apic() const override;
  u32 virtual_lvtpc() const override { return apic_.lvt(platform::apic::kLvtPc); }
  void set_virtual_lvtpc(u32 value) override { apic_.write(platform::apic::kLvtPc, value); }
  bool deliver_virtual_lvtpc() override;
  platform::PhysicalCpu* cpu() override { return cpu_; }
  platform::PhysicalCpu* cpu_or_home() const;  // where it runs, or would
  void emit(Event event) override;
  void note(EventKind kind, u64 a, u64 b, const char* text, bool write = false, bool fault = false);

  // --- ApicClock: "cycles" are host TSC ticks, the clock that all physical CPUs share; the virtual APIC's
  // timer runs at 1 GHz as KVM's.
  u64 cycle() const override;
  u64 tsc() const override;
  u64 cycle_at_tsc(u64 guest_tsc) const override;
  u64 timer_ticks() const override;
  u64 cycle_at_timer_ticks(u64 ticks) const override;

  // --- EmulatorDevices
  bool emulated_rdmsr(u32 index, u64& value) override { return get_msr(index, value, false) == 0; }
  bool emulated_wrmsr(u32 index, u64 value) override { return set_msr(index, value, false) == 0; }
  bool emulated_rdpmc(u32 ecx, u64& value) override;
  u64 emulated_rdtsc() override { return tsc(); }
  CpuidRegs emulated_cpuid(u32 leaf, u32 subleaf) override;
  bool kernel_mmio(u64 physical, unsigned size, bool write, u64& value) override;
  bool kernel_port(u16 port, unsigned size, bool write, u64& value) override;
  u64 emulated_cr8() override { return apic_.cr8(); }
  bool emulated_set_cr8(u64 value) override;

 private:
  enum Request : u32 { kReqEvent = 1, kReqPmu = 2, kReqPmi = 4, kReqRecalc = 8, kReqTripleFault = 16 };
  // Handlers: 1 go on, 0 to user space, negative errno.
  using Completion = std::function<int(HostKernel&)>;

  // vcpu_run_loop.cpp
  int enter_guest(HostKernel& kernel);
  void handle_requests(HostKernel& kernel);
  bool exit_pending(const HostKernel& kernel);
  Status end_run(HostKernel& kernel, int r);
  void count_exit();
  void add_host_cycles(ExitStatistics& to, u64 cycles) const;
  void complete_interrupts();
  bool fastpath(HostKernel& kernel);
  void accept_messages();
  void collect_nmi();
  void accept_apic_events();
  bool has_events();
  // vcpu_injection.cpp
  void inject_events(HostKernel& kernel);
  u8 take_interrupt();
  void inject(HostKernel& kernel, const PendingEvent& event);
  void cancel_injection();
  void queue_exception(u8 vector, bool has_error_code = false, u32 error_code = 0);
  void queue_gp() { queue_exception(kGP, true, 0); }
  // vcpu_exit_handlers.cpp, vcpu_exit_devices.cpp
  int handle_exit(HostKernel& kernel);
  int handle_exception(HostKernel& kernel);
  int handle_cpuid(HostKernel& kernel);
  int handle_rdmsr(HostKernel& kernel);
  int handle_wrmsr(HostKernel& kernel);
  int handle_rdpmc(HostKernel& kernel);
  int handle_xsetbv(HostKernel& kernel);
  int handle_halt(HostKernel& kernel);
  int handle_control_register(HostKernel& kernel);
  int handle_task_switch(HostKernel& kernel);
  int handle_io(HostKernel& kernel);
  int emulate(HostKernel& kernel, unsigned skip_prefix);
  int continue_emulation(HostKernel& kernel);
  int next_device_write(HostKernel& kernel);
  int exit_for_access(const DeviceAccess& access);
  int skip_instruction(unsigned length);
  int internal_error(u32 suberror, const std::string& detail);
  int shutdown(const std::string& why);
  // vcpu_hypercalls.cpp
  int handle_hypercall(HostKernel& kernel);
  s64 send_ipis(const u64 (&words)[2], u32 first, u64 command);
  // vcpu_msrs.cpp
  int get_other_msr(u32 index, u64& value, bool host_initiated);
  int set_other_msr(u32 index, u64 value, bool host_initiated);
  int set_efer(u64 value, bool host_initiated);
  // vcpu_apic_access.cpp
  bool x2apic_read(u32 index, u64& value);
  bool x2apic_write(u32 index, u64 value);
  void apic_written(u32 offset, u64 value, int pmi_before);
  int pmi_in_service() const;

  Vm& vm_;
  Host& host_;
  unsigned id_, placed_on_;
  core::CpuState state_;
  std::unique_ptr<GuestControl> control_;
  std::unique_ptr<Vpmu> vpmu_;
  platform::LocalApic apic_;
  std::unique_ptr<Emulator> emulator_;
  u8 emulated_opcode_ = 0;
  CpuidTable cpuid_;
  std::map<u32, u64> msrs_;  // plain storage registers
  u64 misc_enable_ = 0, debugctl_ = 0;

  platform::PhysicalCpu* cpu_ = nullptr;
  u32 requests_ = 0;
  unsigned nmis_ = 0;  // pending
  bool halted_ = false, wait_for_sipi_ = false;
  PendingEvent exception_;  // pending, not yet injected
  PendingEvent reinject_;   // its delivery was interrupted by a VM-exit, or its VM-entry was given up
  struct Message {
    platform::ApicMessage message;
    u64 at;
  };
  std::deque<Message> messages_;
  core::VmExit exit_;
  u64 exit_cycle_ = 0, entry_cycle_ = 0;

  kvm::Run run_;
  Completion completion_;
  bool returned_to_user_ = true;
  std::vector<u64> answers_;
  std::deque<DeviceAccess> device_writes_;
  ExitStatistics statistics_;
  u64 last_reason_ = 0;
  const char* last_reason_name_ = "";
  std::optional<ExitStatistics::Access> last_access_;  // that the latest exit intercepted
  bool in_host_since_exit_ = false, in_guest_ = false;
  platform::PhysicalCpu* ran_on_ = nullptr;  // at the latest VM-entry
};

}  // namespace pmusim::hv
