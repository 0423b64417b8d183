// SPDX-License-Identifier: Apache-2.0
// The physical machine: CPUs, RAM, bus, devices, and the one owner of SystemC's kernel. Elaborated once per
// process for its largest number of CPUs; reset() then sets up any smaller machine, as often as wanted. CPUs
// advance in windows of sync_window cycles in CPU order, on a clock they share; an IPI arrives ipi_latency
// cycles (at least the window) after it was sent. Windows in which only one CPU does anything are not
// switched at all. SystemC time follows at every `quantum` cycles and is seen only by user modules.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <systemc>
#include <vector>

#include "platform/boot/boot.h"
#include "platform/boot/guest_memory.h"
#include "platform/cpu/cpu.h"
#include "platform/devices/bus.h"
#include "platform/devices/interrupt_controllers.h"
#include "platform/devices/pc_ports.h"
#include "platform/machine/bare_metal.h"
#include "platform/machine/stop_report.h"

namespace pmusim::platform {

struct MachineConfig {
  const CpuModel* model = nullptr;
  unsigned cpus = 1;
  u64 memory = u64{128} << 20;  // bytes, multiple of 4096
  u64 sync_window = 200;        // cycles; at most the IPI latency
  u64 ipi_latency = 0;          // cycles; 0: the model's
  u64 quantum = 1000000;        // cycles between updates of SystemC time; never changes a result
  u64 seed = 1;                 // of the CPUs' random number generators (RDRAND, RDSEED)
  bool step = false;
  u64 start_time = kDefaultStartTime;  // of the real-time clock, seconds since 1970
  EventSink* sink = nullptr;
  // Empty: what the model was loaded for.
  std::function<std::unique_ptr<core::Timing>(const CpuModel&)> make_timing;
  std::function<void()> on_poll;  // called now and then while the machine runs, to look at it
};

struct RunLimits {
  u64 max_cycles = kNever;    // since reset
  u64 max_seconds = kNever;   // wall clock; decides only when to give up, never a result
  bool interruptible = true;  // by the user (base/cancel.h), besides Machine::interrupt()
};

class Machine final : public sc_core::sc_module, private CpuFabric {
 public:
  explicit Machine(unsigned cpus, sc_core::sc_module_name name = "machine");
  ~Machine() override;

  // Everything as after power-on, time 0, all CPUs with the bare-metal program, the bootstrap CPU (0) without
  // anything to execute until load() or set_program(). Throws InputError for a configuration that cannot be.
  void reset(const MachineConfig& config);
  void load(const Image& image, BootOptions options = {});  // boots CPU 0 from it
  void set_program(unsigned cpu, CpuProgram* program);      // before the run; must outlive it

  // Runs until the predicate (may be empty; asked at least every 10000 cycles of a CPU and whenever one
  // yields), a stop or a limit. May be called again to go on.
  StopReport run_until(const std::function<bool()>& predicate, const RunLimits& limits = {});
  StopReport run(const RunLimits& limits = {}) { return run_until({}, limits); }
  void interrupt() { interrupted_ = true; }  // async-signal-safe; the run ends soon

  unsigned active_cpus() const { return config_.cpus; }
  Cpu& cpu(unsigned id) { return *cpus_.at(id); }
  Bus& bus() { return *bus_; }
  PcPorts& ports() { return ports_; }
  InterruptControllers& controllers() { return controllers_; }
  core::Ram& ram() { return ram_; }
  GuestMemory& memory() { return memory_; }
  const MachineConfig& config() const { return config_; }
  u64 cycle() const;  // of the CPU that is furthest behind among those that still act

  // Whole state between runs. Only machines whose CPUs run the bare-metal program: a hypervisor program's
  // state is on its thread's stack. Saving flushes the TLBs, as restoring does, so that both go on alike.
  std::vector<u8> save();
  void restore(const std::vector<u8>& state);
  u64 hash();

 private:
  // What the I/O APIC and the 8259As send. Reaches the CPU that caused it at once, others like an IPI.
  class Wires final : public ApicBus {
   public:
    explicit Wires(Machine& machine) : machine_(machine) {}
    void send(const ApicMessage& message) override;

   private:
    Machine& machine_;
  };
  // Device time: the clock of the CPU that runs, the bootstrap CPU's between runs.
  class Clock final : public DeviceClock {
   public:
    explicit Clock(const Machine& machine) : machine_(machine) {}
    u64 nanoseconds() const override;

   private:
    const Machine& machine_;
  };

  void send_ipi(Cpu& from, const ApicMessage& message) override;
  void yield(Cpu& cpu) override;
  void broadcast_eoi(u8 vector) override { controllers_.end_of_interrupt(vector); }
  u64 store_seen(const Cpu& to) override;
  void reconsider() override;
  u64 device_deadline() const override;
  void update_devices() override { controllers_.update(); }
  u8 acknowledge_external() override { return controllers_.acknowledge(); }
  EventSink* sink() override { return config_.sink; }
  void triple_fault(Cpu& cpu) override { stop(StopKind::TripleFault, cpu.id()); }
  void failed(Cpu& cpu, std::exception_ptr error) override;
  void pause(Cpu& cpu) override;

  Cpu* pick();  // the CPU whose turn it is; nullptr: none will ever do anything
  u64 bound_for(const Cpu& cpu) const;
  const Cpu& acting() const { return current_ ? *current_ : *cpus_[0]; }
  u64 core_khz() const { return config_.model->core_khz ? config_.model->core_khz : 1000000; }
  Ratio nanoseconds_per_cycle() const { return {1000000, core_khz()}; }
  // Delivers to every CPU that may accept it; `here`, if any, gets it at once.
  void distribute(const ApicMessage& message, const Cpu& from, const Cpu* here);
  void attention();  // the running CPU yields at its next boundary
  void poll();
  void follow_time(u64 cycle);
  void stop(StopKind kind, unsigned cpu);
  void unwind_programs();
  void map_memory(bool map);
  void archive(Archive& a);
  StopReport report();

  MachineConfig config_;
  core::Ram ram_;
  GuestMemory memory_;
  Wires wires_{*this};
  Clock clock_{*this};
  PcPorts ports_{clock_};
  InterruptControllers controllers_{wires_, clock_};
  BareMetal bare_metal_;
  std::unique_ptr<Bus> bus_;
  std::vector<std::unique_ptr<ModelDevice>> devices_;
  std::vector<std::unique_ptr<Cpu>> cpus_;

  Cpu* current_ = nullptr;
  bool started_ = false, stopped_ = true;
  StopKind pending_ = StopKind::None;
  unsigned stop_cpu_ = 0;
  u32 exit_status_ = 0;
  std::exception_ptr error_;
  const std::function<bool()>* predicate_ = nullptr;
  RunLimits limits_;
  u64 deadline_ns_ = kNever;
  u64 next_poll_ = 0, next_quantum_ = 0;
  u64 time_base_ = 0;  // SystemC time value at reset
  std::atomic<bool> interrupted_{false};
};

}  // namespace pmusim::platform
