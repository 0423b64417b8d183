// SPDX-License-Identifier: Apache-2.0
// The order in which a layer's four questions are asked; no rule of any vendor is here.
#include "pmu/rules.h"

namespace pmusim::pmu {
namespace {

Outcome absent_outcome(const RuleLayer& layer, u32 msr, const Caps& caps, bool write) {
  return layer.absent ? layer.absent(msr, caps, write) : Outcome::Fault;
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
  if (!rule.read) return Outcome::Ok;
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
  if (!rule.change) return Outcome::Ok;
  if (!changed) {
    rule.change(access, regs, value);
    return Outcome::Ok;
  }
  const Registers before = regs;
  rule.change(access, regs, value);
  *changed = !(before == regs);
  return Outcome::Ok;
}

}  // namespace pmusim::pmu
