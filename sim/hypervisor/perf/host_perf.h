// SPDX-License-Identifier: Apache-2.0
// The host's perf subsystem as far as a guest, or a host user of perf, can notice it: pinned and flexible
// events of CPUs and of tasks, scheduling in four passes, constraints and placement on counters, the ERROR
// state, multiplexing, the NMI watchdog, exclude_guest and exclude_host as hardware bits, and exclusivity
// with VMs that own the PMU. After kernel/events/core.c and arch/x86/events/. All register traffic goes
// through the physical CPU's port. Not modelled: frequency mode, throttling, the CPU-time limit, PEBS, LBR
// and extra-register sharing, cgroups, inheritance, exclusive events, SMT sibling limits, PMUs of hybrid
// hosts, AMD's late-NMI window and its wait for a pending overflow at disable, the solver's backtracking
// (family 15h only), the second counter of AMD's large increments, smallest periods of Haswell and Broadwell,
// the FX alternatives of 0x01c0 (Ice Lake) and 0x013c (Golden Cove), per-counter switching of version-1 PMUs.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "model/cpu_model.h"
#include "platform/cpu/physical_cpu.h"

namespace pmusim::hv {

using platform::PhysicalCpu;

struct PerfAttr {
  u64 config = 0;  // selector bits: event, umask, edge, inv, cmask (no USR, OS, INT, EN)
  bool pinned = false;
  bool exclude_user = false, exclude_kernel = false, exclude_host = false, exclude_guest = false;
  u64 sample_period = 0;  // 0: counting only
  bool disabled = false;
};

enum class PerfState : u8 { Error, Off, Inactive, Active };

class PerfContext;

class PerfEvent {
 public:
  const PerfAttr& attr() const { return attr_; }
  PerfState state() const { return state_; }
  int counter() const { return counter_; }  // last physical counter (GP n, kFixedBase + n), -1 never placed
  u64 count() const { return count_; }      // as of the last fold
  bool in_hardware() const { return running_; }
  u64 raw_at_fold() const { return previous_; }       // the hardware counter's value then
  u64 enabled_time() const { return enabled_time_; }  // cycles of the CPU's clock
  u64 running_time() const { return running_time_; }
  // Called in NMI context when a sampling event's period has passed.
  std::function<void(PerfEvent&)> on_overflow;

 private:
  friend class HostPerf;
  PerfAttr attr_;
  PerfContext* context_ = nullptr;
  PerfEvent* leader_ = nullptr;       // itself for leaders
  std::vector<PerfEvent*> siblings_;  // of a leader
  PerfState state_ = PerfState::Off;
  u64 order_ = 0;  // group_index
  int counter_ = -1;
  bool running_ = false;          // started in hardware
  u64 count_ = 0, previous_ = 0;  // folded count, raw value at the last fold
  s64 left_ = 0;                  // period_left
  u64 period_ = 0;                // sample period, or the longest one for counting events
  u64 enabled_time_ = 0, running_time_ = 0, stamp_ = 0;
};

// The events of a CPU or of a task (a vCPU's thread).
class PerfContext {
 public:
  explicit PerfContext(bool task) : task_(task) {}

 private:
  friend class HostPerf;
  bool task_;
  unsigned cpu_ = ~0u;  // where it is scheduled in; ~0: nowhere
  bool pinned_active_ = false, flexible_active_set_ = false, rotate_ = false;
  std::vector<std::unique_ptr<PerfEvent>> events_;
  std::vector<PerfEvent*> pinned_, flexible_;  // leaders, by group_index
  std::vector<PerfEvent*> flexible_active_;    // by time of placement
};

// One MSR that VM-entry and VM-exit must switch.
struct MsrSwitch {
  u32 msr;
  u64 host, guest;
};

class HostPerf {
 public:
  explicit HostPerf(const CpuModel& model, unsigned cpus = 1);
  ~HostPerf();
  HostPerf(const HostPerf&) = delete;
  HostPerf& operator=(const HostPerf&) = delete;

  // --- Life of events. `cpu` is the physical CPU the caller runs on; events of a CPU and events of the task
  // that runs there are placed on it. Errors are negative errno values; *event is null then.
  int create_cpu_event(PhysicalCpu& cpu, const PerfAttr& attr, PerfEvent** event,
                       PerfEvent* leader = nullptr);
  // cpu may be null if the task is not running anywhere.
  int create_task_event(PhysicalCpu* cpu, PerfContext& task, const PerfAttr& attr, PerfEvent** event,
                        PerfEvent* leader = nullptr);
  void release(PhysicalCpu* cpu, PerfEvent* event);
  void enable(PhysicalCpu* cpu, PerfEvent& event);  // clears ERROR
  void disable(PhysicalCpu* cpu, PerfEvent& event);
  u64 read(PhysicalCpu* cpu, PerfEvent& event);  // folds if active here
  bool readable(const PerfEvent& event) const { return event.leader_->state_ != PerfState::Error; }
  u64 pause_and_reset(PhysicalCpu* cpu, PerfEvent& event);  // perf_event_pause(reset)
  int set_period(PhysicalCpu* cpu, PerfEvent& event, u64 period);

  // --- Scheduling.
  void task_in(PhysicalCpu& cpu, PerfContext& task);
  void task_out(PhysicalCpu& cpu, PerfContext& task);
  u64 mux_interval_cycles() const { return mux_interval_; }
  u64 mux_deadline(unsigned cpu) const;  // cycle of that CPU; kNever: timer idle
  void mux_timer(PhysicalCpu& cpu);      // call at or after the deadline

  // --- The NMI watchdog: pinned cycles on each CPU, counting guests too. -EOPNOTSUPP while a VM owns the
  // PMU.
  int start_watchdog(PhysicalCpu& cpu);
  void stop_watchdog(PhysicalCpu& cpu);

  // --- Interrupts. handle_nmi: perf's NMI handler; false if no event of ours had overflowed.
  bool handle_nmi(PhysicalCpu& cpu);
  u64 nmis_ignored() const { return nmis_ignored_; }

  // --- Virtualization.
  // What VM-entry and VM-exit must switch while the host's events share the PMU with guests (Intel only).
  std::vector<MsrSwitch> guest_msrs(unsigned cpu) const;
  // AMD: EFER.SVME on this CPU; HostOnly becomes usable.
  void set_virtualization(PhysicalCpu& cpu, bool enabled);
  // A VM that takes the PMU over. denied: no host events at all may exist, rather than exclude_guest ones
  // only.
  int create_mediated_vm(bool denied);  // 0, -EBUSY
  void release_mediated_vm(bool denied);
  void load_guest_context(PhysicalCpu& cpu);
  void put_guest_context(PhysicalCpu& cpu);
  void load_guest_lvtpc(PhysicalCpu& cpu, u32 value);
  void put_guest_lvtpc(PhysicalCpu& cpu);
  bool guest_loaded(unsigned cpu) const;

  const CpuModel& model() const { return *model_; }
  // Physical counters (bit = GP n, kFixedBase + n) in use by active events.
  u64 counters_in_use(unsigned cpu) const;

  // The counters an event may use (host-perf.md 3.3).
  u64 allowed_counters(const PerfAttr& attr) const;

 private:
  struct Cpu;
  using Passes = unsigned;  // which classes of a context: pinned, flexible, both
  static constexpr Passes kPinned = 1, kFlexible = 2;

  Cpu& at(unsigned id) const { return *cpus_.at(id); }
  bool mediated_capable() const;
  int create(PhysicalCpu* cpu, PerfContext& context, const PerfAttr& attr, PerfEvent** event,
             PerfEvent* leader);
  bool fits_alone(const PerfAttr& attr, const PerfEvent* leader) const;
  // Solver: the counter of each event, in list order; false if they do not fit. `previous`: last counters or
  // -1.
  bool assign(const std::vector<const PerfEvent*>& events, std::vector<int>& to) const;
  bool on_cpu(const PhysicalCpu* cpu, const PerfContext& context) const;

  // Scheduling (host_perf_schedule.cpp).
  void reschedule(PhysicalCpu& cpu, PerfContext& context, Passes of);
  void take_off(PhysicalCpu& cpu, PerfContext& context, Passes passes);
  void put_on(PhysicalCpu& cpu, PerfContext& context, Passes passes);
  void put_on_all(PhysicalCpu& cpu);  // the four passes
  bool group_on(PhysicalCpu& cpu, PerfEvent& leader);
  void group_off(PhysicalCpu& cpu, PerfEvent& leader);
  void event_off(PhysicalCpu& cpu, PerfEvent& event);
  void need_rotation(PhysicalCpu& cpu, PerfContext& context);
  static void rotate(PerfContext& context, PerfEvent* first, u64 order);
  void account(const PhysicalCpu* cpu, PerfEvent& event);
  void account(const PhysicalCpu& cpu, PerfContext& context);
  void set_state(const PhysicalCpu* cpu, PerfEvent& event, PerfState state);

  // Registers (host_perf_hw.cpp).
  void pmu_disable(PhysicalCpu& cpu);
  void pmu_enable(PhysicalCpu& cpu);
  void global_off(PhysicalCpu& cpu);
  void global_on(PhysicalCpu& cpu);
  void start(PhysicalCpu& cpu, PerfEvent& event);
  void stop(PhysicalCpu& cpu, PerfEvent& event);  // and fold
  void fold(PhysicalCpu& cpu, PerfEvent& event);
  bool arm(PhysicalCpu& cpu, PerfEvent& event);  // x86_perf_event_set_period; true: report
  u64 hardware_selector(const Cpu& c, const PerfEvent& event) const;
  u64 counters_where(const Cpu& c, bool (*which)(const PerfAttr&)) const;
  u64 host_global_ctrl(const Cpu& c) const;
  void write_counter(PhysicalCpu& cpu, int counter, u64 value);
  u64 read_counter(PhysicalCpu& cpu, int counter);
  void write_selector(PhysicalCpu& cpu, int counter, u64 value);
  bool handle_nmi_intel(PhysicalCpu& cpu);
  bool handle_nmi_amd(PhysicalCpu& cpu);
  void overflowed(PhysicalCpu& cpu, PerfEvent& event);

  const CpuModel* model_;
  u64 all_counters_ = 0, max_period_ = 0, mux_interval_ = 0;
  std::vector<std::unique_ptr<Cpu>> cpus_;
  u64 next_order_ = 0;
  u64 host_wide_events_ = 0;  // events with exclude_guest = 0
  u64 events_ = 0;
  u64 mediated_vms_ = 0, denying_vms_ = 0;
  u64 nmis_ignored_ = 0;
};

}  // namespace pmusim::hv
