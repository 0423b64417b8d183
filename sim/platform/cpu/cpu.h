// SPDX-License-Identifier: Apache-2.0
// One logical processor: core, timing, PMU and local APIC, on one SystemC thread. It executes bare-metal code
// (slice()) or serves a hypervisor through PhysicalCpu. Runs ahead to its horizon: the nearest of counter
// overflow, interrupt deadline and the bound that the machine gives it.
// Order of events at one cycle: retirement, counter overflow, PMI, timer, inter-processor interrupts
// arriving, then delivery: INIT/SIPI, NMI, maskable interrupt; VM-exits for these in the same order. Not
// modelled: SMM, machine checks, INIT while a hypervisor runs (ignored, as VMX operation blocks it).
// MWAIT waits like HLT, and for the store; the end of a wait, and VM-entry and -exit, end the monitoring (SDM
// Vol. 3, "Clearing Address-Range Monitoring"); so a second MWAIT needs a MONITOR of its own.
#pragma once

#include <tlm_utils/simple_initiator_socket.h>
#include <map>
#include <memory>
#include <systemc>
#include <vector>

#include "base/event.h"
#include "base/rng.h"
#include "core/run/core.h"
#include "platform/apic/local_apic.h"
#include "platform/cpu/cpu_fabric.h"
#include "platform/cpu/mtrr.h"
#include "platform/cpu/physical_cpu.h"
#include "pmu/pmu.h"

namespace pmusim::platform {

struct CpuConfig {
  const CpuModel* model = nullptr;
  bool active = true;  // false: never does anything in this run
  bool bootstrap = false;
  bool step = false;
  u64 seed = 1;  // of RDRAND and RDSEED
  // Empty: what the model was loaded for.
  std::function<std::unique_ptr<core::Timing>(const CpuModel&)> make_timing;
};

class Cpu final : public sc_core::sc_module, public PhysicalCpu, private pmu::PmuClient {
 public:
  tlm_utils::simple_initiator_socket<Cpu> ports;
  tlm_utils::simple_initiator_socket<Cpu> memory;

  Cpu(sc_core::sc_module_name name, unsigned id, core::Ram& ram, CpuFabric& fabric);
  ~Cpu() override;

  void reset(const CpuConfig& config);  // only while its thread runs no program
  void set_program(CpuProgram* program) { program_ = program; }

  // --- bare metal, on this CPU's thread
  void slice();  // runs to the next event, handles it, yields where due

  // --- PhysicalCpu
  unsigned id() const override { return id_; }
  const CpuModel& model() const override { return *config_.model; }
  void set_handler(HostHandler* handler) override { handler_ = handler; }
  bool rdmsr(u32 index, u64& value) override;
  bool wrmsr(u32 index, u64 value) override;
  u64 rdpmc(u32 ecx) override;
  u64 rdtsc() override;
  CpuidRegs cpuid(u32 leaf, u32 subleaf) override;
  u32 apic_read(u32 offset) override;
  void apic_write(u32 offset, u32 value) override;
  void set_interrupts(bool enabled) override;
  bool interrupts_enabled() const override { return host_if_; }
  void work(const HostWork& work) override;
  void vmaccess(bool write) override;
  void halt() override;
  core::VmExit enter_guest(ControlBlock& block) override;
  bool hw_rdmsr(u32 index, u64& value, Source source) override;
  bool hw_wrmsr(u32 index, u64 value, Source source) override;
  u64 cycle() const override { return timing_->cycle(); }
  u64 tsc() const override;

  const std::string& entry_failure() const { return entry_failure_; }  // of the last ExitKind::EntryFailure
  // Ends run_until(); returns in a later one.
  void pause() {
    fabric_.pause(*this);
    boundary();
  }
  void park();  // sleeps until wake(), whatever else happens
  // Between runs; `at`: the machine's cycle. Nothing if it is not parked.
  void wake(u64 at);

  core::Core& core() { return *core_; }
  core::CpuState& state() { return state_; }
  pmu::Pmu& pmu() { return *pmu_; }
  LocalApic& apic() { return apic_; }

  // --- for the machine
  void post(u64 arrival, unsigned from, const ApicMessage& message);
  u64 next_event() const;   // earliest of timer, PMI, inbox, devices; kNever if none
  u64 next_action() const;  // when it will do something: now, its next event, or kNever
  bool finished() const { return finished_; }
  bool running_program() const { return in_program_; }
  bool idle() const { return idle_; }
  bool parked() const { return parked_; }
  std::string waits_for() const;
  void set_bound(u64 cycle) { bound_ = cycle; }
  u64 bound() const { return bound_; }
  // What was programmed since power-on and is not counted by this simulator: by counter and selector (see
  // PmuClient::on_unavailable), how often.
  const std::map<std::pair<unsigned, u64>, u64>& uncounted() const { return uncounted_; }
  void resume() { go_.notify(); }                             // from another CPU's thread
  void resume_later() { go_.notify(sc_core::SC_ZERO_TIME); }  // from outside the kernel
  void abandon() {
    abandon_ = true;
    resume_later();
  }
  void suspend();            // on this CPU's thread
  void archive(Archive& a);  // the CPU runs bare metal and is suspended

 private:
  class Env;
  class Clock;
  class IpiPort;
  class CycleFeed;
  class Monitor;
  struct Arrival {
    u64 cycle = 0;
    u32 from = 0;
    ApicMessage message;
    void archive(Archive& a);
  };

  void thread();
  void boundary() {
    if (timing_->cycle() >= bound_) fabric_.yield(*this);
  }
  void take_due();
  void raise_pmi();
  bool start_up();         // INIT and SIPI; true if the CPU's activity was decided
  bool deliver_pending();  // NMI or interrupt through the IDT
  u8 take_interrupt();     // acknowledges what is pending
  core::Limit limit() const;
  core::Stop run_to_limit();  // executes to the limit, or the one instruction that crosses it
  // Nested faults included, a delivery pushes less than the counters' horizon allows for this many
  // instructions.
  static constexpr u64 kDeliverySteps = 4;
  void after_run(u64 spent);
  void sleep();     // until the next event
  void end_wait();  // of MWAIT
  void stop_monitoring();
  void follow_pmu();  // cycle observer on demand
  // PmuClient
  void on_overflow(unsigned counter) override;
  void on_pmi() override;
  void on_unavailable(unsigned counter, u64 selector) override;
  void count_interrupt();

  // cpu_msr.cpp
  bool msr_read(u32 index, u64& value);
  bool msr_write(u32 index, u64 value);
  u64* core_msr(u32 index);
  CpuidRegs physical_cpuid(u32 leaf, u32 subleaf) const;

  // cpu_port.cpp
  void spend(core::Cost cost);  // host time of an operation
  void retire_host(u64 loads = 0, u64 stores = 0);
  void host_boundary();  // overflow, yield, NMI and interrupts of the host
  void host_event(u8 vector, bool nmi);
  void emit_host_msr(const char* text, u32 index, u64 value, bool write, bool fault);
  void emit(EventKind kind, u64 a, u64 b, const char* text);
  u64 work_step(const HostWork& work, u64 done) const;

  // cpu_guest.cpp
  core::VmExit guest_loop(ControlBlock& block);
  bool physical_exit(const ControlBlock& block, core::VmExit& exit) const;

  unsigned id_;
  core::Ram& ram_;
  CpuFabric& fabric_;
  CpuConfig config_;
  CpuProgram* program_ = nullptr;
  HostHandler* handler_ = nullptr;
  std::unique_ptr<Clock> clock_;
  std::unique_ptr<IpiPort> ipi_port_;
  std::unique_ptr<Env> env_;
  std::unique_ptr<CycleFeed> cycle_feed_;
  std::unique_ptr<Monitor> monitor_;
  u64 stored_at_ = kNever;  // when the store to the monitored line is noticed
  LocalApic apic_;
  std::map<std::pair<unsigned, u64>, u64> uncounted_;
  core::CpuState state_;  // bare metal's, or the host's
  core::CostTable costs_;
  std::unique_ptr<core::Timing> timing_;
  std::unique_ptr<core::Core> core_;
  std::unique_ptr<pmu::Pmu> pmu_;

  Rng random_{1};
  Mtrr mtrr_;
  u64 tsc_offset_ = 0, tsc_adjust_ = 0, debugctl_ = 0, misc_enable_ = 0, spec_ctrl_ = 0, mcg_status_ = 0;
  u64 syscfg_ = 0, hwcr_ = 0, nb_cfg_ = 0;
  std::vector<u64> pmi_due_;    // ascending
  std::vector<Arrival> inbox_;  // by arrival, then sender
  bool host_if_ = false, in_nmi_ = false;
  u64 handled_ = 0;           // host interrupts and NMIs so far
  s64 guest_tsc_offset_ = 0;  // 0 outside guest mode
  std::string entry_failure_;
  bool observing_cycles_ = false;
  s8 vcpu_ = -1;  // whose guest code runs

  sc_core::sc_event go_;
  u64 bound_ = 0;
  bool idle_ = false, parked_ = false, finished_ = true, in_program_ = false, abandon_ = false;
};

}  // namespace pmusim::platform
