// SPDX-License-Identifier: Apache-2.0
// What the guest's own instructions did, whatever counters say.
#include "hypervisor/vpmu/audit_truth.h"

#include <fmt/format.h>

#include "arch/event_counts.h"
#include "base/bits.h"

namespace pmusim::hv {

using pmu::kFixedBase;

namespace {

constexpr CountMask kBranches = mask_of(Count::CondTaken) | mask_of(Count::CondNotTaken) |
                                mask_of(Count::DirectJump) | mask_of(Count::IndirectJump) |
                                mask_of(Count::DirectCall) | mask_of(Count::IndirectCall) |
                                mask_of(Count::Return) | mask_of(Count::FarBranch);

// The guest's contexts that correspond to a counter's contexts on bare metal.
ContextMask guest_contexts(ContextMask bare) {
  const ContextMask host = bare & 0xf;  // CPL and transaction, world Host
  return static_cast<ContextMask>(host << (4 * static_cast<unsigned>(World::Guest)) |
                                  host << (4 * static_cast<unsigned>(World::NestedGuest)));
}

std::string privileges(bool user, bool kernel) {
  return user && kernel ? "USR|OS" : user ? "USR" : kernel ? "OS" : "";
}

}  // namespace

void AuditTruth::start(const CpuModel& model, const pmu::Caps& caps, const pmu::Registers& controls,
                       bool guest) {
  *this = {};
  model_ = &model;
  caps_ = caps;
  guest_ = guest;
  program(controls, false);
}

void AuditTruth::program(const pmu::Registers& controls, bool svme) {
  controls_ = controls;
  svme_ = svme;
  for (const unsigned counter : set_bits(caps_.counter_bits())) {
    pmu::CounterSetup& setup = setup_[counter];
    setup = model_->rules->setup(caps_, controls_, model_->events, counter, svme_);
    if (guest_) setup.contexts = guest_contexts(setup.contexts);
    if (!setup.enabled) continue;
    const u64 now = counter < kFixedBase ? controls_.selector[counter]
                                         : controls_.fixed_ctrl >> (4 * (counter - kFixedBase)) & 0xf;
    if (!programmings_[counter]) names_[counter] = describe(counter);
    if (!programmings_[counter] || now != last_[counter]) ++programmings_[counter];
    last_[counter] = now;
  }
}

u64 AuditTruth::total(unsigned counter, const EventCounts& counts) const {
  const pmu::CounterSetup& setup = setup_[counter];
  return setup.enabled && !setup.threshold() ? counts.sum(setup.kinds, setup.contexts) : 0;
}

void AuditTruth::begin(const EventCounts& counts) {
  for (const unsigned counter : set_bits(caps_.counter_bits())) {
    since_[counter] = total(counter, counts);
  }
}

u64 AuditTruth::counted(unsigned counter, const EventCounts& counts) const {
  return total(counter, counts) - since_[counter];
}

// Of branches only those events are known to count it that count every branch.
u64 AuditTruth::counts_emulated(unsigned counter, bool branch, bool user) const {
  const pmu::CounterSetup& setup = setup_[counter];
  const unsigned context = context_of(guest_ ? World::Guest : World::Host, user);
  if (!setup.enabled || setup.threshold() || !(setup.contexts >> context & 1)) return 0;
  return ((setup.kinds & mask_of(Count::Instructions)) != 0) +
         (branch && (setup.kinds & kBranches) == kBranches);
}

std::string AuditTruth::describe(unsigned counter) const {
  if (counter >= kFixedBase) {
    const unsigned n = counter - kFixedBase;
    const u64 nibble = controls_.fixed_ctrl >> (4 * n) & 0xf;
    const pmu::EventInfo* event = pmu::find_fixed_event(model_->events, n);
    return (event ? event->name : "?") + " " + privileges(nibble & 2, nibble & 1) +
           (nibble & 8 ? " INT" : "");
  }
  const u64 s = controls_.selector[counter];
  const u16 code =
      static_cast<u16>((s & 0xff) | (caps_.vendor == pmu::Vendor::Amd ? bits(s, 35, 32) << 8 : 0));
  const u8 umask = static_cast<u8>(bits(s, 15, 8));
  const pmu::EventInfo* event = pmu::find_gp_event(model_->events, code, umask, counter);
  std::string text = event ? event->name : fmt::format("event {:#x}/{:#x}", code, umask);
  text += " " + privileges(test_bit(s, 16), test_bit(s, 17));
  if (bits(s, 31, 24)) text += fmt::format(" CMASK={}", bits(s, 31, 24));
  if (test_bit(s, 23)) text += " INV";
  if (test_bit(s, 18)) text += " EDGE";
  if (test_bit(s, 20)) text += " INT";
  if (caps_.vendor == pmu::Vendor::Amd && test_bit(s, 40)) text += " GuestOnly";
  if (caps_.vendor == pmu::Vendor::Amd && test_bit(s, 41)) text += " HostOnly";
  return text;
}

std::string AuditTruth::programmed(unsigned counter) const {
  const u32 times = programmings_[counter];
  return times > 1 ? fmt::format("{} and {} more", names_[counter], times - 1) : names_[counter];
}

}  // namespace pmusim::hv
