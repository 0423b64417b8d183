// SPDX-License-Identifier: Apache-2.0
// Defects of counters that are backed by perf events: writes to running counters.
#include "base/bits.h"
#include "conformance/defects/bug_patches.h"
#include "hypervisor/vpmu/backing_host_perf.h"

namespace pmusim::conformance {
namespace {

using hv::HostPerfBacking;
using hv::VpmuState;
using hv::VpmuStrategies;

template <class Backing>
void back_with(VpmuStrategies& s) {
  s.host_perf_backing = [](VpmuState& state) { return std::make_unique<Backing>(state); };
}

// The base becomes the written value, whatever the event has counted.
class OldCountKept final : public HostPerfBacking {
 public:
  using HostPerfBacking::HostPerfBacking;
  void write_counter(unsigned counter, u64 value) override {
    HostPerfBacking::write_counter(counter, value);
    s_.stored(counter) = value & s_.width_mask(counter);
  }
};

class StalePeriod final : public HostPerfBacking {
 public:
  using HostPerfBacking::HostPerfBacking;
  void write_counter(unsigned counter, u64 value) override {
    Pmc& pmc = pmcs_[counter];
    pmc.in_use = true;
    pmc.emulated = 0;
    u64& base = s_.stored(counter);
    base = (base + value - read_counter(counter)) & s_.width_mask(counter);
  }
};

// The written value is kept with all its bits until the first emulated increment is folded, which then looks
// like a wrap.
class UntruncatedWrite final : public HostPerfBacking {
 public:
  using HostPerfBacking::HostPerfBacking;
  void write_counter(unsigned counter, u64 value) override {
    HostPerfBacking::write_counter(counter, value);
    beyond_[counter] = value & ~s_.width_mask(counter);
  }

 protected:
  bool pause(unsigned counter) override {
    const bool emulated = pmcs_[counter].emulated, overflowed = HostPerfBacking::pause(counter);
    if (!emulated || !beyond_[counter]) return overflowed;
    beyond_[counter] = 0;
    return true;
  }

 private:
  u64 beyond_[kSlots] = {};
};

void gp_counter_write_untruncated(VpmuStrategies& s) {
  back_with<UntruncatedWrite>(s);
  patch_rules(s, [](pmu::RuleLayer& layer) {
    layer[pmu::Reg::GpCounter].check = [](const pmu::Access& a, const pmu::Registers&, u64& value) {
      if (!a.host_initiated) value = sign_extend(value, 32);
      return pmu::Outcome::Ok;
    };
  });
}

}  // namespace

BugPatches counter_bugs() {
  return {
      {"gp-counter-write-untruncated", gp_counter_write_untruncated},
      {"wrmsr-running-counter-keeps-old-count", back_with<OldCountKept>},
      {"wrmsr-running-counter-stale-period", back_with<StalePeriod>},
  };
}

}  // namespace pmusim::conformance
