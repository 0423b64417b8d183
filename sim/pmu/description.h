// SPDX-License-Identifier: Apache-2.0
// What the PMU mechanism needs to know of a CPU: registers and counters that are there, the events that can
// be programmed and what they count, the vendor's rules. A part of every CPU model.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "arch/count_fwd.h"
#include "arch/cpuid.h"
#include "base/ratio.h"
#include "pmu/registers.h"
#include "pmu/rules.h"

namespace pmusim::pmu {

struct EventInfo {
  std::string name;
  u16 code = 0;  // event select; AMD: 12 bits
  u8 umask = 0;
  u8 cmask = 0;
  bool inv = false, edge = false;
  int fixed = -1;               // exists only on this fixed counter
  u32 counters = ~0u;           // GP counters that can count it
  int arch_bit = -1;            // index in CPUID 0AH EBX
  CountMask kinds = 0;          // what it counts here; 0: not available in this simulator
  bool per_cycle = false;       // has a per-cycle value, so CMASK, INV and EDGE work on it
  bool needs_interval = false;  // counted under interval timing only (kinds is 0 under functional timing)
  std::string source;
  std::string unit;  // not a core counter's event ("L3PMC", "PERF_METRICS", ...); empty: a core event
  std::string note;  // in what the simulated count differs from the vendor's description, if in anything

  // Counted here as the vendor's list programs it, with its CMASK, INV and EDGE.
  bool counted() const { return kinds && (per_cycle || (!cmask && !edge)); }
};

// The event that a GP counter's event select and umask name: the first entry of that encoding (the loader
// makes sure that all entries of one encoding count the same). nullptr: unknown, or not countable on that
// counter.
const EventInfo* find_gp_event(const std::vector<EventInfo>& events, u16 code, u8 umask, unsigned gp);
const EventInfo* find_fixed_event(const std::vector<EventInfo>& events, unsigned fixed);

// How one counter is programmed, after the vendor's rules: what the mechanism needs to count.
struct CounterSetup {
  bool enabled = false;
  CountMask kinds = 0;
  ContextMask contexts = 0;
  u8 cmask = 0;
  bool inv = false, edge = false;
  bool unavailable = false;  // programmed event is one the simulator does not count

  bool threshold() const { return cmask != 0 || edge; }  // counts cycles that meet a condition
};

// The CMASK, INV and EDGE part of a setup, the same for both vendors: INV alone has no effect, EDGE alone
// acts as CMASK 1 with EDGE (SDM Vol. 3, 18.2.1.1; perfmon). An event without a per-cycle value cannot be
// thresholded here.
void apply_threshold(CounterSetup& setup, u8 cmask, bool inv, bool edge, bool per_cycle);

struct OverflowEffect {
  bool pmi = false;
  u64 status = 0;  // bits to set in GLOBAL_STATUS (0 where the register does not exist)
  bool freeze_clears_global_ctrl = false;  // legacy freeze-on-PMI
};

// A vendor's part of the PMU: pure functions of registers and caps.
class VendorRules {
 public:
  virtual ~VendorRules() = default;
  virtual Vendor vendor() const = 0;
  virtual const RuleLayer& hardware() const = 0;
  virtual Caps caps_from(const CpuidTable& cpuid, u64 perf_capabilities) const = 0;
  // counter: GP n or kFixedBase + n.
  virtual CounterSetup setup(const Caps&, const Registers&, const std::vector<EventInfo>&, unsigned counter,
                             bool svme) const = 0;
  virtual OverflowEffect overflow(const Caps&, const Registers&, unsigned counter) const = 0;
  // RDPMC's ECX to a counter, or -1 for #GP.
  virtual int rdpmc_counter(const Caps&, u32 ecx) const = 0;
  virtual void reset(const Caps&, Registers&) const = 0;  // power-on values
  virtual bool masks_lvtpc_on_pmi() const = 0;
};

struct PmuDescription {
  Vendor vendor = Vendor::Intel;
  Caps caps;  // of the hardware
  std::vector<EventInfo> events;
  std::shared_ptr<const VendorRules> rules;
  unsigned width = 4;     // pipeline slots per cycle
  bool interval = false;  // loaded for interval timing: events of kIntervalCounts are counted
  Ratio tsc_per_cycle;    // TSC ticks per core cycle
  Ratio bus_per_cycle;    // of event 0x3c/0x01
};

// The event select in a GP counter's selector; AMD's has four more bits, 35:32.
u16 event_code(Vendor vendor, u64 selector);

// For messages about a programmed event that counts nothing (see PmuClient::on_unavailable): "functional
// timing" if interval timing counts it, else "this simulator".
const char* not_counted_by(const PmuDescription& model, unsigned counter, u64 selector);

}  // namespace pmusim::pmu
