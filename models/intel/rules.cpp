// SPDX-License-Identifier: Apache-2.0
// Counting rules of Intel's architectural PMU: enable equation, overflow and freeze, RDPMC indices, reset.
// Limits: AnyThread adds nothing because a core has one thread; IN_TX filters by the transaction contexts.
#include "arch/cpuid_features.h"
#include "base/bits.h"
#include "models/intel/fields.h"
#include "models/intel/intel.h"

namespace pmusim::models {
namespace {

using namespace evtsel;
using namespace intel;
using pmu::Caps;
using pmu::CounterSetup;
using pmu::EventInfo;
using pmu::kFixedBase;
using pmu::OverflowEffect;
using pmu::Registers;

// Hardware knows no host or guest: a counter counts in every world at the selected privilege levels.
ContextMask contexts(bool os, bool usr, bool only_in_tx = false, bool not_in_tx = false) {
  ContextMask mask = 0;
  for (const World world : {World::Host, World::Guest, World::NestedGuest})
    for (const bool user : {false, true})
      for (const bool tx : {false, true})
        if ((user ? usr : os) && !(only_in_tx && !tx) && !(not_in_tx && tx))
          mask = static_cast<ContextMask>(mask | 1u << context_of(world, user, tx));
  return mask;
}

class IntelRules final : public pmu::VendorRules {
 public:
  pmu::Vendor vendor() const override { return pmu::Vendor::Intel; }
  const pmu::RuleLayer& hardware() const override { return layer_; }

  // SDM Vol. 1, "CPUID leaf 0AH": fixed counter x exists if ECX[x] = 1 or EDX[4:0] > x; an
  // architectural event is available if its EBX bit is 0 and below the vector's length.
  Caps caps_from(const CpuidTable& cpuid, u64 perf_capabilities) const override {
    Caps caps;
    caps.vendor = pmu::Vendor::Intel;
    const u32 highest = cpuid.read(0, 0).eax;  // above it, Intel CPUs answer with the highest leaf's data
    if (highest < 0xa) return caps;
    const CpuidRegs pmu_leaf = cpuid.read(0xa, 0);
    caps.version = pmu_leaf.eax & 0xff;
    if (caps.version == 0) return caps;
    caps.gp_count = static_cast<u8>(pmu_leaf.eax >> 8 & 0xff);
    caps.gp_width = static_cast<u8>(pmu_leaf.eax >> 16 & 0xff);
    const unsigned vector_length = pmu_leaf.eax >> 24;
    caps.arch_events = static_cast<u32>(~pmu_leaf.ebx & mask(vector_length < 32 ? vector_length : 32));
    if (caps.version >= 2) {
      const unsigned fixed = pmu_leaf.edx & 0x1f;
      caps.fixed_mask = static_cast<u32>(mask(fixed)) | (caps.version >= 5 ? pmu_leaf.ecx : 0);
      caps.fixed_width = static_cast<u8>(pmu_leaf.edx >> 5 & 0xff);
    }
    caps.anythread_deprecated = cpuid::kAnyThreadDeprecated.in(pmu_leaf);
    caps.slots_width = static_cast<u8>(pmu_leaf.edx >> 16 & 0xf);
    caps.pdcm = cpuid.has(cpuid::kPdcm);
    caps.perf_capabilities = caps.pdcm ? perf_capabilities : 0;
    caps.ds = cpuid.has(cpuid::kDs);
    caps.rtm = cpuid.has(cpuid::kHle) || cpuid.has(cpuid::kRtm);
    return caps;
  }

  CounterSetup setup(const Caps& caps, const Registers& regs, const std::vector<EventInfo>& events,
                     unsigned counter, bool) const override {
    CounterSetup setup;
    if (caps.version >= 2 && !test_bit(regs.global_ctrl, counter)) return setup;
    if (caps.version >= 4 && test_bit(regs.global_status, kCountersFrozen)) return setup;
    return counter < kFixedBase ? general(regs, events, counter) : fixed(regs, events, counter - kFixedBase);
  }

  // Freeze happens only on the overflow of a counter whose PMI enable is set (SDM Vol. 3, "Freezing LBR and
  // Performance Counters on PMI"): up to
  // version 3 it clears GLOBAL_CTRL, from version 4 it sets the frozen bits in GLOBAL_STATUS.
  OverflowEffect overflow(const Caps& caps, const Registers& regs, unsigned counter) const override {
    OverflowEffect effect;
    effect.pmi = counter < kFixedBase ? (regs.selector[counter] & kInt)
                                      : fixed_field(regs.fixed_ctrl, counter - kFixedBase) & 8;
    if (caps.version < 2) return effect;
    effect.status = bit(counter);
    if (!effect.pmi) return effect;
    const bool freeze = test_bit(regs.debugctl, kFreezePerfmonOnPmi);
    if (caps.version < 4) {
      effect.freeze_clears_global_ctrl = freeze;
      return effect;
    }
    if (freeze) effect.status |= bit(kCountersFrozen);
    if (test_bit(regs.debugctl, kFreezeLbrOnPmi)) effect.status |= bit(kLbrFrozen);
    return effect;
  }

  // ECX[31:16] is the type (0 GP, 4000H fixed, 2000H PERF_METRICS), ECX[15:0] the index; anything else is #GP
  // (SDM Vol. 2, RDPMC).
  int rdpmc_counter(const Caps& caps, u32 ecx) const override {
    const u32 type = ecx >> 16, index = ecx & 0xffff;
    if (caps.version == 0) return -1;
    if (type == 0 && index < caps.gp_count) return static_cast<int>(index);
    if (type == 0x4000 && index < pmu::kMaxFixed && (caps.fixed_mask >> index & 1))
      return static_cast<int>(kFixedBase + index);
    if (type == 0x2000 && index == 0 && caps.metrics()) return pmu::kMetricsBit;
    return -1;
  }

  // After reset all GP enables of GLOBAL_CTRL are 1 and the fixed ones 0, so that version 1 software works
  // (KVM, kvm_pmu_refresh, quoting the SDM); counters and selectors are 0.
  void reset(const Caps& caps, Registers& regs) const override {
    regs = {};
    if (caps.version >= 2) regs.global_ctrl = caps.gp_bits();
  }

  bool masks_lvtpc_on_pmi() const override { return true; }  // SDM Vol. 3, 10.5.1, "Local Vector Table"

 private:
  static CounterSetup general(const Registers& regs, const std::vector<EventInfo>& events, unsigned n) {
    CounterSetup setup;
    const u64 selector = regs.selector[n];
    const bool os = selector & kOs, usr = selector & kUsr;
    if (!(selector & kEn) || !(os || usr)) return setup;
    setup.enabled = true;
    setup.contexts = contexts(os, usr, selector & kInTx, selector & kInTxCp);
    const EventInfo* event =
        pmu::find_gp_event(events, selector & 0xff, static_cast<u8>(bits(selector, 15, 8)), n);
    setup.unavailable = !event || !event->kinds;
    if (setup.unavailable) return setup;
    setup.kinds = event->kinds;
    pmu::apply_threshold(setup, static_cast<u8>(bits(selector, 31, 24)), selector & kInv, (selector & kEdge),
                         event->per_cycle);
    return setup;
  }

  static CounterSetup fixed(const Registers& regs, const std::vector<EventInfo>& events, unsigned n) {
    CounterSetup setup;
    const unsigned field = fixed_field(regs.fixed_ctrl, n);
    if (!(field & 3)) return setup;
    setup.enabled = true;
    setup.contexts = contexts(field & 1, field & 2);
    const EventInfo* event = pmu::find_fixed_event(events, n);
    setup.unavailable = !event || !event->kinds;
    if (!setup.unavailable) setup.kinds = event->kinds;
    return setup;
  }

  const pmu::RuleLayer layer_ = intel_hardware_layer();
};

}  // namespace

std::shared_ptr<const pmu::VendorRules> intel_rules() {
  static const auto rules = std::make_shared<const IntelRules>();
  return rules;
}

}  // namespace pmusim::models
