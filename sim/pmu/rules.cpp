// SPDX-License-Identifier: Apache-2.0
// The order in which a layer's four questions are asked; no rule of any vendor is here.
#include "pmu/rules.h"

namespace pmusim::pmu {
namespace {

Outcome absent_outcome(const RuleLayer& layer, u32 msr, const Caps& caps, bool write) {
  return layer.absent ? layer.absent(msr, caps, write) : Outcome::Fault;
}

u64 kept(Vendor vendor, RegRef ref, const Registers& regs) {
  const RegDescription& d = describe(vendor, ref.reg);
  return d.access == RegAccess::Stored ? d.storage.of(regs, ref.index) : 0;
}

void keep(Vendor vendor, RegRef ref, Registers& regs, u64 value) {
  const RegDescription& d = describe(vendor, ref.reg);
  if (d.storage.none()) return;
  u64& stored = d.storage.of(regs, ref.index);
  switch (d.access) {
    case RegAccess::Stored:
      stored = value;
      break;
    case RegAccess::WriteOnesToClear:
      stored &= ~value;
      break;
    case RegAccess::WriteOnesToSet:
      stored |= value;
      break;
    case RegAccess::Computed:
      break;
  }
}

}  // namespace

Outcome RuleLayer::read(u32 msr, const Caps& caps, const Registers& regs, bool host_initiated,
                        u64& value) const {
  value = 0;
  const std::optional<RegRef> ref = find_register(caps.vendor, msr);
  if (!ref) return absent_outcome(*this, msr, caps, false);
  const Rule& rule = (*this)[ref->reg];
  const Access access{caps, ref->index, host_initiated};
  if (!rule.exists || !rule.exists(access)) return absent_outcome(*this, msr, caps, false);
  if (!rule.read) {
    value = kept(caps.vendor, *ref, regs);
    return Outcome::Ok;
  }
  const Outcome outcome = rule.read(access, regs, value);
  if (outcome != Outcome::Ok) value = 0;
  return outcome;
}

Outcome RuleLayer::write(u32 msr, const Caps& caps, Registers& regs, bool host_initiated, u64 value,
                         bool* changed) const {
  if (changed) *changed = false;
  const std::optional<RegRef> ref = find_register(caps.vendor, msr);
  if (!ref) return absent_outcome(*this, msr, caps, true);
  const Rule& rule = (*this)[ref->reg];
  const Access access{caps, ref->index, host_initiated};
  if (!rule.exists || !rule.exists(access)) return absent_outcome(*this, msr, caps, true);
  if (rule.check) {
    const Outcome outcome = rule.check(access, regs, value);
    if (outcome != Outcome::Ok) return outcome;
  }
  const auto change = [&] {
    if (rule.change)
      rule.change(access, regs, value);
    else
      keep(caps.vendor, *ref, regs, value);
  };
  if (!changed) {
    change();
    return Outcome::Ok;
  }
  const Registers before = regs;
  change();
  *changed = !(before == regs);
  return Outcome::Ok;
}

}  // namespace pmusim::pmu
