// SPDX-License-Identifier: Apache-2.0
// Defects of counters that are context-switched in hardware.
#include "arch/evtsel.h"
#include "arch/msr.h"
#include "base/bits.h"
#include "conformance/defects/bug_patches.h"
#include "hypervisor/vpmu/backing_hardware.h"

namespace pmusim::conformance {
namespace {

using hv::ControlBlockPmuFields;
using hv::HardwareBacking;
using hv::VpmuState;
using hv::VpmuStrategies;
using platform::PhysicalCpu;
using pmu::kFixedBase;

template <class Backing>
void switch_with(VpmuStrategies& s) {
  s.hardware_backing = [](VpmuState& state) { return std::make_unique<Backing>(state); };
}

// The exit loads the guest's value, so the host's work up to the switch is counted.
class LiveAfterExit final : public HardwareBacking {
 public:
  using HardwareBacking::HardwareBacking;
  void prepare_entry(PhysicalCpu& cpu, ControlBlockPmuFields& fields) override {
    HardwareBacking::prepare_entry(cpu, fields);
    if (stops_at_exit()) fields.set_host_global_ctrl(s_.regs.global_ctrl);
  }
};

class LiveDuringLoad final : public HardwareBacking {
 public:
  using HardwareBacking::HardwareBacking;

 protected:
  void load_registers(PhysicalCpu& cpu) override {
    cpu.wrmsr(msr::kGlobalCtrl, s_.regs.global_ctrl);
    HardwareBacking::load_registers(cpu);
  }
};

// What the exit's MSR-store list holds is not looked at.
class StoredControlIgnored final : public HardwareBacking {
 public:
  using HardwareBacking::HardwareBacking;

 protected:
  void save_global_ctrl(PhysicalCpu& cpu, ControlBlockPmuFields& fields) override {
    if (fields.can_save_global_ctrl()) HardwareBacking::save_global_ctrl(cpu, fields);
  }
};

class StatusConsumedTwice final : public HardwareBacking {
 public:
  using HardwareBacking::HardwareBacking;

 protected:
  void put_vendor(PhysicalCpu& cpu) override {
    HardwareBacking::put_vendor(cpu);
    HardwareBacking::put_vendor(cpu);
  }
};

// Skips instructions in the fast path and adds them to the copy in memory, which the next switch overwrites.
class StaleCopyIncremented final : public HardwareBacking {
 public:
  using HardwareBacking::HardwareBacking;
  bool fastpath_allowed() const override { return true; }
  void increment(unsigned counter) override {
    if (loaded())
      ++s_.stored(counter);
    else
      HardwareBacking::increment(counter);
  }
};

class SilentWrap final : public HardwareBacking {
 public:
  using HardwareBacking::HardwareBacking;
  void increment(unsigned counter) override { write_counter(counter, s_.stored(counter) + 1); }
};

// One copy of the controls for the guest and for the hardware.
class SharedControls final : public HardwareBacking {
 public:
  using HardwareBacking::HardwareBacking;

 protected:
  void refresh(unsigned counter) override {
    HardwareBacking::refresh(counter);
    using evtsel::kEn;
    if (counter >= kFixedBase)
      s_.regs.fixed_ctrl = fixed_ctrl_hw_;
    else
      s_.regs.selector[counter] = (s_.regs.selector[counter] & ~kEn) | (selector_hw_[counter] & kEn);
  }
};

class WholeFixedControl final : public HardwareBacking {
 public:
  using HardwareBacking::HardwareBacking;
  void controls_written(const pmu::Registers& before) override {
    HardwareBacking::controls_written(before);
    if (s_.regs.fixed_ctrl != before.fixed_ctrl) fixed_ctrl_hw_ = s_.regs.fixed_ctrl;
  }
};

// Reads what the hardware holds although the guest's context may not be there.
class ReadBeforeLoad final : public HardwareBacking {
 public:
  using HardwareBacking::HardwareBacking;
  u64 read_counter(unsigned counter) override {
    PhysicalCpu* cpu = s_.hooks->cpu();
    return cpu && !loaded() ? cpu->rdpmc(rdpmc_index(counter)) : HardwareBacking::read_counter(counter);
  }
};

// The host freezes its own counters on a PMI, and its DEBUGCTL stays while the guest runs.
class HostDebugctl final : public HardwareBacking {
 public:
  using HardwareBacking::HardwareBacking;
  void prepare_entry(PhysicalCpu& cpu, ControlBlockPmuFields& fields) override {
    HardwareBacking::prepare_entry(cpu, fields);
    constexpr u64 kFreezePerfmonOnPmi = bit(12);
    cpu.wrmsr(msr::kDebugCtl, kFreezePerfmonOnPmi);
  }
  void after_exit(PhysicalCpu& cpu, ControlBlockPmuFields& fields) override {
    cpu.wrmsr(msr::kDebugCtl, 0);
    HardwareBacking::after_exit(cpu, fields);
  }
};

}  // namespace

BugPatches switch_bugs() {
  return {
      {"amd-read-before-context-load", switch_with<ReadBeforeLoad>},
      {"global-status-consumed-twice", switch_with<StatusConsumedTwice>},
      {"mediated-emulated-overflow-not-signalled", switch_with<SilentWrap>},
      {"mediated-fastpath-skips-stale-counters", switch_with<StaleCopyIncremented>},
      {"mediated-filter-breaks-selector-readback", switch_with<SharedControls>},
      {"mediated-fixed-control-bypasses-filter", switch_with<WholeFixedControl>},
      {"mediated-global-ctrl-live-during-load", switch_with<LiveDuringLoad>},
      {"mediated-global-ctrl-not-zeroed-on-exit", switch_with<LiveAfterExit>},
      {"mediated-no-save-ctrl-autostore-ignored", switch_with<StoredControlIgnored>},
      {"svm-guest-runs-with-host-debugctl", switch_with<HostDebugctl>},
  };
}

}  // namespace pmusim::conformance
