// SPDX-License-Identifier: Apache-2.0
// Counting rules of AMD's core PMU: enable equation with HostOnly and GuestOnly, overflow and freeze, RDPMC
// indices, reset. Not modelled: the merge event 0xFFF of large increments, late overflow interrupts,
// PREC_RET.
#include "arch/cpuid_features.h"
#include "base/bits.h"
#include "models/amd/amd.h"
#include "models/amd/fields.h"

namespace pmusim::models {
namespace {

using namespace amd;
using namespace evtsel;
using pmu::Caps;
using pmu::CounterSetup;
using pmu::EventInfo;
using pmu::OverflowEffect;
using pmu::Registers;

// APM Vol. 2 rev 3.44, PERF_CTL HostOnly and GuestOnly: both clear, always; SVME = 0 and either set, never;
// SVME = 1 and one set, only there; both set, always. A nested guest is guest mode too.
bool counts_in(World world, bool guest_only, bool host_only, bool svme) {
  if (!guest_only && !host_only) return true;
  if (!svme) return false;
  return world == World::Host ? host_only : guest_only;
}

ContextMask contexts(u64 selector, bool svme) {
  ContextMask result = 0;
  for (const World world : {World::Host, World::Guest, World::NestedGuest})
    for (const bool user : {false, true})
      for (const bool tx : {false, true})
        if ((selector & (user ? kUsr : kOs)) &&
            counts_in(world, selector & kGuestOnly, selector & kHostOnly, svme))
          result = static_cast<ContextMask>(result | 1u << context_of(world, user, tx));
  return result;
}

class AmdRules final : public pmu::VendorRules {
 public:
  pmu::Vendor vendor() const override { return pmu::Vendor::Amd; }
  const pmu::RuleLayer& hardware() const override { return layer_; }

  // APM Vol. 3, appendix E: 80000022H EAX[0] PerfMonV2 with the count in EBX[3:0]; 80000001H ECX[23] six
  // counters; else the four legacy ones.
  Caps caps_from(const CpuidTable& cpuid, u64) const override {
    Caps caps;
    caps.vendor = pmu::Vendor::Amd;
    const CpuidRegs perfmon = cpuid.read(0x80000022, 0);
    caps.perfctr_core = cpuid.has(cpuid::kPerfCtrExtCore);
    caps.version = cpuid::kPerfMonV2.in(perfmon) ? 2 : 1;
    caps.gp_count = caps.version == 2   ? static_cast<u8>(perfmon.ebx & 0xf)
                    : caps.perfctr_core ? 6
                                        : static_cast<u8>(kLegacyCounters);
    caps.gp_width = kCounterWidth;
    caps.pmc_freeze = caps.version == 2 && cpuid::kLbrAndPmcFreeze.in(perfmon);
    return caps;
  }

  CounterSetup setup(const Caps& caps, const Registers& regs, const std::vector<EventInfo>& events,
                     unsigned counter, bool svme) const override {
    CounterSetup setup;
    if (caps.version >= 2 && !test_bit(regs.global_ctrl, counter)) return setup;
    if (caps.version >= 2 && test_bit(regs.global_status, kCountersFrozen)) return setup;
    const u64 selector = regs.selector[counter];
    if (!(selector & kEn)) return setup;
    setup.contexts = contexts(selector, svme);
    if (!setup.contexts) return setup;
    setup.enabled = true;
    const u16 code = static_cast<u16>(bits(selector, 35, 32) << 8 | bits(selector, 7, 0));
    const EventInfo* event =
        pmu::find_gp_event(events, code, static_cast<u8>(bits(selector, 15, 8)), counter);
    setup.unavailable = !event || !event->kinds;
    if (setup.unavailable) return setup;
    setup.kinds = event->kinds;
    pmu::apply_threshold(setup, static_cast<u8>(bits(selector, 31, 24)), selector & kInv, (selector & kEdge),
                         event->per_cycle);
    return setup;
  }

  // Before PerfMonV2 there is no status register. PMCF is set on the overflow of an interrupting counter when
  // DEBUGCTL[12] = 1 (APM Vol. 2 rev 3.44, 13.2.1).
  OverflowEffect overflow(const Caps& caps, const Registers& regs, unsigned counter) const override {
    OverflowEffect effect;
    effect.pmi = regs.selector[counter] & kInt;
    if (caps.version < 2) return effect;
    effect.status = bit(counter);
    if (effect.pmi && caps.pmc_freeze) {
      if (test_bit(regs.debugctl, kFreezePerfmonOnPmi)) effect.status |= bit(kCountersFrozen);
      if (test_bit(regs.debugctl, kFreezeLbrOnPmi)) effect.status |= bit(kLbrFrozen);
    }
    return effect;
  }

  // Indices 0-5 are core counters. 6 and above are DF and L3 counters on hardware; this simulator has none
  // and gives the #GP of an index out of range.
  int rdpmc_counter(const Caps& caps, u32 ecx) const override {
    return ecx < caps.gp_count ? static_cast<int>(ecx) : -1;
  }

  // GlobalCtl is 3FH after reset, selects 0; counters are undefined (APM Vol. 2, 13.2.1; GlobalCtl: an AMD
  // engineer on the kvm list) and 0 here.
  void reset(const Caps& caps, Registers& regs) const override {
    regs = {};
    if (caps.version >= 2) regs.global_ctrl = caps.gp_bits();
  }

  bool masks_lvtpc_on_pmi() const override { return false; }  // a16eb25b09c0 exempts AMD

 private:
  const pmu::RuleLayer layer_ = amd_hardware_layer();
};

}  // namespace

std::shared_ptr<const pmu::VendorRules> amd_rules() {
  static const auto rules = std::make_shared<const AmdRules>();
  return rules;
}

}  // namespace pmusim::models
