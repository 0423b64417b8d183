// SPDX-License-Identifier: Apache-2.0
// Defects in what is counted: the event asked of perf for a guest's selector, the event filter, instructions
// that the hypervisor completes.
#include "base/bits.h"
#include "conformance/defects/bug_patches.h"
#include "hypervisor/vpmu/backing_host_perf.h"

namespace pmusim::conformance {
namespace {

using namespace pmu;
using hv::PerfAttr;
using hv::VpmuState;
using hv::VpmuStrategies;

using AttrChange = void (*)(const VpmuState&, unsigned counter, PerfAttr&);

// Asks perf for another event than KVM would.
template <AttrChange change>
class OtherEvent final : public hv::HostPerfBacking {
 public:
  using HostPerfBacking::HostPerfBacking;

 protected:
  PerfAttr attributes(unsigned counter) const override {
    PerfAttr attr = HostPerfBacking::attributes(counter);
    change(s_, counter, attr);
    return attr;
  }
};

template <AttrChange change>
void ask_for_another_event(VpmuStrategies& s) {
  s.host_perf_backing = [](VpmuState& state) { return std::make_unique<OtherEvent<change>>(state); };
}

void drop_modifiers(const VpmuState&, unsigned, PerfAttr& attr) {
  for (const u64 event : {0x3c, 0xc0, 0x13c, 0x4f2e, 0x412e, 0xc4, 0xc5})
    if ((attr.config & 0xffff) == event) attr.config = event;
}

void truncate_to_32_bits(const VpmuState&, unsigned, PerfAttr& attr) {
  attr.config &= 0xffffffff;
}

// 0xD1 was the dispatch-stall event of the families before 17h; perf's generic event for it is 0x0187 now.
void misread_0xd1(const VpmuState&, unsigned, PerfAttr& attr) {
  if ((attr.config & 0xffff) == 0xd1) attr.config = (attr.config & ~u64{0xffff}) | 0x0187;
}

void swap_reference_cycles(const VpmuState&, unsigned counter, PerfAttr& attr) {
  if (counter == kFixedBase + 2) attr.config = 0x3000;
}

void filter_ignores_fixed_counters(VpmuStrategies& s) {
  s.filter_allows = [original = s.filter_allows](const VpmuState& state, unsigned counter) {
    return counter >= kFixedBase || original(state, counter);
  };
}

class FilterChangeUnseen final : public hv::HostPerfBacking {
 public:
  using HostPerfBacking::HostPerfBacking;
  void filter_changed() override {}
};

void filter_ignored_for_emulated_instructions(VpmuStrategies& s) {
  s.counts_emulated = [original = s.counts_emulated](const VpmuState& state, unsigned counter, bool branch,
                                                     bool user) {
    VpmuState unfiltered = state;
    unfiltered.filter = nullptr;
    return original(unfiltered, counter, branch, user);
  };
}

void emulated_instructions_ignore_privilege(VpmuStrategies& s) {
  s.counts_emulated = [original = s.counts_emulated](const VpmuState& state, unsigned counter, bool branch,
                                                     bool) {
    return original(state, counter, branch, true) || original(state, counter, branch, false);
  };
}

// The instruction is reported once, as no branch; a counter of branches takes it nevertheless.
void enter_leave_counted_as_branch(VpmuStrategies& s) {
  s.counts_emulated = [original = s.counts_emulated](const VpmuState& state, unsigned counter, bool branch,
                                                     bool user) {
    constexpr u8 kEnter = 0xc8, kLeave = 0xc9;
    const u8 opcode = state.hooks->emulated_opcode();
    const bool flagged = !branch && (opcode == kEnter || opcode == kLeave);
    return original(state, counter, branch, user) || (flagged && original(state, counter, true, user));
  };
}

}  // namespace

BugPatches event_bugs() {
  return {
      {"amd-evtsel-truncated-to-32-bits", ask_for_another_event<truncate_to_32_bits>},
      {"amd-zen-event-codes-misread", ask_for_another_event<misread_0xd1>},
      {"emulated-instruction-not-counted",
       [](VpmuStrategies& s) {
         s.counts_emulated = [](const VpmuState&, unsigned, bool, bool) { return false; };
       }},
      {"emulated-instructions-ignore-privilege", emulated_instructions_ignore_privilege},
      {"enter-leave-counted-as-branch", enter_leave_counted_as_branch},
      {"filter-change-not-applied-to-live-counters",
       [](VpmuStrategies& s) {
         s.host_perf_backing = [](VpmuState& state) { return std::make_unique<FilterChangeUnseen>(state); };
       }},
      {"filter-ignored-for-emulated-instructions", filter_ignored_for_emulated_instructions},
      {"filter-ignores-fixed-counters", filter_ignores_fixed_counters},
      {"raw-event-modifiers-dropped", ask_for_another_event<drop_modifiers>},
      {"ref-cycles-pseudo-code-swapped", ask_for_another_event<swap_reference_cycles>},
  };
}

}  // namespace pmusim::conformance
