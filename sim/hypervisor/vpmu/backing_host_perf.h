// SPDX-License-Identifier: Apache-2.0
// Guest counters backed by host perf events: KVM's default vPMU (arch/x86/kvm/pmu.c). Each enabled counter is
// an event pinned to the vCPU's thread and counting in the guest only; perf chooses the physical counter.
#pragma once

#include <vector>

#include "hypervisor/perf/host_perf.h"
#include "hypervisor/vpmu/vpmu_state.h"

namespace pmusim::hv {

class HostPerfBacking : public VpmuBacking {
 public:
  explicit HostPerfBacking(VpmuState& state) : VpmuBacking(state), task_(true) {}
  ~HostPerfBacking() override;

  void reset() override;
  u64 read_counter(unsigned counter) override;
  void write_counter(unsigned counter, u64 value) override;
  void controls_written(const pmu::Registers& before) override;
  void increment(unsigned counter) override;
  void handle_requests(PhysicalCpu& cpu) override;
  bool fastpath_allowed() const override { return true; }
  void prepare_entry(PhysicalCpu& cpu, ControlBlockPmuFields& fields) override;
  u64 peek(unsigned counter, const AuditProbe& probe) const override;
  int physical(unsigned counter) const override;
  void sched_in(PhysicalCpu& cpu) override;
  void sched_out(PhysicalCpu& cpu) override;

  const PerfEvent* event(unsigned counter) const { return pmcs_[counter].event; }

 protected:
  // struct kvm_pmc; its `counter` is the value stored in the registers.
  struct Pmc {
    u64 emulated = 0;  // software events not yet folded
    PerfEvent* event = nullptr;
    u64 config = 0;  // selector or control nibble that the event was made for
    bool paused = true;
    bool intr = false;    // latched when the event is created
    bool in_use = false;  // its registers were written since the last cleanup
  };
  virtual bool pause(unsigned counter);  // true: folding software events made it overflow
  virtual bool resume(unsigned counter);
  virtual int reprogram(unsigned counter);  // 0, or a negative errno of perf
  virtual int create(unsigned counter);
  virtual PerfAttr attributes(unsigned counter) const;  // of the event that create() asks perf for
  virtual void release(unsigned counter);
  virtual void perf_overflow(unsigned counter);  // in NMI context
  virtual void signal_overflow(unsigned counter);
  virtual void cleanup();
  u64 sample_period(unsigned counter) const;
  u64 config_of(unsigned counter) const;
  PhysicalCpu* cpu() const { return s_.hooks->cpu(); }

  static constexpr unsigned kSlots = pmu::kFixedBase + kKvmMaxFixed;
  Pmc pmcs_[kSlots];
  PerfContext task_;
  bool need_cleanup_ = false;
};

}  // namespace pmusim::hv
