// SPDX-License-Identifier: Apache-2.0
// The hardware PMU of one logical processor: vendor-neutral mechanism. Counters are differences of the core's
// totals; an idle counter costs nothing and a counting one costs nothing per instruction. Registers follow
// the model's hardware rule layer.
#pragma once

#include <algorithm>
#include <vector>

#include "arch/count_fwd.h"
#include "pmu/description.h"
#include "pmu/pmu_client.h"

namespace pmusim::pmu {

// How far the core may run so that no counter overflows unseen.
struct Horizon {
  u64 instructions = kNever;  // instructions (a REP iteration is one)
  u64 cycles = kNever;        // cycles from now
};

class Pmu {
 public:
  // counts: the core's totals, current whenever the PMU is called.
  explicit Pmu(const EventCounts& counts) : counts_(&counts) {}

  void configure(const PmuDescription& model);  // and power-on reset
  void reset();

  // Clients are told in the order in which they were added; neither call from within one. Removing one that
  // is not there does nothing: a CPU that is reset has a new PMU.
  void add_client(PmuClient& client) { clients_.push_back(&client); }
  void remove_client(PmuClient& client) {
    clients_.erase(std::remove(clients_.begin(), clients_.end(), &client), clients_.end());
  }

  // True if the MSR is a PMU register address of this vendor (then read/write decide).
  bool owns(u32 msr) const;
  bool rdmsr(u32 msr, u64& value);  // false: #GP
  bool wrmsr(u32 msr, u64 value);
  bool rdpmc(u32 ecx, u64& value);
  void set_debugctl(u64 value);  // freeze bits
  void set_svme(bool svme);      // EFER.SVME: AMD's HostOnly/GuestOnly
  bool svme() const { return svme_; }

  Horizon horizon() const;
  // The same for a core that runs in many short pieces: reach() is the horizon, computed once and then spent
  // by ran(), which takes in what was counted only where a counter may have wrapped. A delivered interrupt is
  // spent like a few instructions. Between the two only the core itself may have counted.
  Horizon reach(u64 cycle);
  void ran(u64 instructions, u64 cycle);
  // Takes in what the core has counted since the last call; overflows are handled in counter order.
  void sync();

  // Threshold counters (CMASK, INV, EDGE): true while one is enabled, then the core must deliver cycles.
  bool wants_cycles() const { return threshold_active_; }
  void on_cycle(unsigned context, const CountVector& delta, u64 repeat);

  bool masks_lvtpc_on_pmi() const { return model_->rules->masks_lvtpc_on_pmi(); }

  const Registers& registers() const { return regs_; }  // counters as of the last sync

  // For an omniscient observer, from the first call on and not part of a snapshot: how often a counter has
  // advanced while the host (or bare metal) and while a guest ran. Writes to the counter do not change it.
  void track_advances(bool on);
  struct Advances {
    u64 host = 0, guest = 0;
  };
  Advances advances(unsigned counter) const;
  const Caps& caps() const;
  u64 counter_value(unsigned counter) const;

  // Belongs to the counts of the same moment: restore those first.
  struct Snapshot {
    Registers regs;
    bool svme;
    std::vector<u64> base;  // per counter: total at the last sync, threshold accumulator
    std::vector<u8> edge;
    void archive(Archive& a) {
      a(regs, svme);
      a.list(base);
      a.list(edge);
    }
  };
  Snapshot save() const;
  void restore(const Snapshot& snapshot);

 private:
  struct Counter {
    unsigned id = 0;  // GP n or kFixedBase + n
    CounterSetup setup;
    u64 last = 0;       // total() at the last sync
    u64 threshold = 0;  // cycles that met the condition
    bool edge_state = false;
    u64 reported = 0;  // selector last reported as unavailable; 0: none
    // While advances are tracked: the guest's share of last and threshold, and what was counted so far.
    u64 guest_last = 0, guest_threshold = 0;
    Advances advanced;
  };
  void changed(u32 msr);
  void unavailable(unsigned counter, u64 selector);
  void program(Counter& counter);
  void reprogram();  // recompute every setup from the registers
  u64 total(const Counter& counter) const;
  u64 guest_total(const Counter& counter) const;
  const Counter& find(unsigned counter) const;
  void set_active();

  const EventCounts* counts_;
  std::vector<PmuClient*> clients_;
  const PmuDescription* model_ = nullptr;
  Registers regs_;
  std::vector<Counter> counters_;  // GP 0.., then fixed 0..
  bool svme_ = false;
  bool any_active_ = false;
  bool reach_known_ = false;  // until a sync or new programming
  u64 reach_instructions_ = 0, reach_cycle_ = 0;
  bool threshold_active_ = false;
  bool track_advances_ = false;
};

}  // namespace pmusim::pmu
