// SPDX-License-Identifier: Apache-2.0
// Guest counters in hardware registers: the context switch of KVM's mediated vPMU (kvm_mediated_pmu_load and
// _put), and designs that differ from it by asset or by the place of the switch. What is passed through is
// not known until it is read back, at put or when an instruction is emulated; what is filtered is kept in a
// shadow and never read. Without write elision (before b0b6a8d3be16) counters are written unconditionally at
// load, and counters, selectors and fixed control at put; that form is inferred, not read.
#pragma once

#include "hypervisor/perf/host_perf.h"
#include "hypervisor/vpmu/vpmu_state.h"

namespace pmusim::hv {

inline constexpr u8 kMediatedPmiVector = 0xf5;

class HardwareBacking : public VpmuBacking {
 public:
  explicit HardwareBacking(VpmuState& state);
  ~HardwareBacking() override;

  void reset() override;
  u64 read_counter(unsigned counter) override { return s_.stored(counter) & s_.width_mask(counter); }
  void write_counter(unsigned counter, u64 value) override {
    s_.stored(counter) = value & s_.width_mask(counter);
  }
  void controls_written(const pmu::Registers& before) override;
  void increment(unsigned counter) override;
  void learn_controls() override;
  bool increments_hardware() const override { return loaded(); }
  void handle_requests(PhysicalCpu& cpu) override;
  bool fastpath_allowed() const override;
  void guest_mode_changed() override;
  void pmi_taken() override { lvtpc_written_ = kUnknown; }
  u64 peek(unsigned counter, const AuditProbe& probe) const override;
  int physical(unsigned counter) const override { return loaded() ? static_cast<int>(counter) : -1; }
  void begin_access() override;
  void end_access() override;
  void load(PhysicalCpu& cpu) override;
  void put(PhysicalCpu& cpu) override;
  void prepare_entry(PhysicalCpu& cpu, ControlBlockPmuFields& fields) override;
  void after_exit(PhysicalCpu& cpu, ControlBlockPmuFields& fields) override;
  void sched_in(PhysicalCpu& cpu) override;
  void sched_out(PhysicalCpu& cpu) override;

  bool loaded() const { return loaded_on_ != nullptr; }

 protected:
  static constexpr u32 kUnknown = ~u32{0};

  virtual void refresh(unsigned counter);  // shadow control from guest's control and the filter
  virtual void load_context(PhysicalCpu& cpu);
  virtual void put_context(PhysicalCpu& cpu);
  virtual void load_registers(PhysicalCpu& cpu);  // counters and selectors, then the vendor's
  virtual void put_registers(PhysicalCpu& cpu);   // the vendor's, then counters and selectors
  virtual void load_vendor(PhysicalCpu& cpu);
  virtual void put_vendor(PhysicalCpu& cpu);
  virtual void write_lvtpc(PhysicalCpu& cpu);
  virtual void save_global_ctrl(PhysicalCpu& cpu, ControlBlockPmuFields& fields);

  bool intel() const { return s_.host->vendor == pmu::Vendor::Intel; }
  bool known(Asset control) const { return s_.handling(control) != Handling::Passthrough; }
  bool global_ctrl_direct() const;
  // At exits the hardware stops the counters by itself (Intel's exit field).
  bool stops_at_exit() const { return intel() && s_.policy->on_exit != OnExit::LeaveRunning; }
  // ... or, on AMD where selectors without GuestOnly may count in the host, the hypervisor stops them after
  // each exit and starts them before each entry: by GLOBAL_CTL, or without one selector by selector, as perf
  // does (x86_pmu_disable_all). Between those writes and the guest the counters run.
  enum class StopBy : u8 { Nothing, GlobalCtl, Selectors };
  StopBy stop_by() const;
  void start_counters(PhysicalCpu& cpu);
  void stop_counters(PhysicalCpu& cpu);
  u64 stopped_selector(unsigned n) const;  // what hardware holds from a stop to the next start
  bool has_global_registers() const { return intel() || s_.host->caps.version >= 2; }
  void increment_hardware(PhysicalCpu& cpu, unsigned counter);
  u64 global_ctrl_after_exit() const;
  u64 amd_mode_bits(unsigned counter) const;
  u64 wanted_selector(unsigned n) const;
  u32 counter_msr(unsigned counter) const;
  u32 selector_msr(unsigned n) const;
  u32 rdpmc_index(unsigned counter) const;
  u32 wanted_lvtpc() const;

  bool elide_;
  u64 selector_hw_[pmu::kMaxGp] = {};
  u64 fixed_ctrl_hw_ = 0;
  PhysicalCpu* loaded_on_ = nullptr;
  unsigned access_depth_ = 0;
  u64 learnt_ = 0;  // counters whose controls are known since the last exit
  u32 lvtpc_written_ = kUnknown;
  // What the control block was last told, so that unchanged fields are not written again.
  ControlBlockPmuFields* fields_ = nullptr;
  bool fields_load_ = false, fields_save_ = false;
  u64 fields_guest_ = 0, fields_host_ = 0;
};

}  // namespace pmusim::hv
