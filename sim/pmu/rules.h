// SPDX-License-Identifier: Apache-2.0
// Rules in layers. For each register four separate questions: does it exist, may this write happen (and as
// what value), what is read, what changes. A layer answers some of them; a higher layer (a kernel release, a
// vCPU's CPUID, an injected bug) replaces single answers of the one below. Every rule names its source.
#pragma once

#include <array>
#include <functional>
#include <string>

#include "pmu/registers.h"

namespace pmusim::pmu {

enum class Outcome : u8 {
  Ok,
  Fault,    // #GP(0)
  Ignored,  // accepted without effect; a read returns 0
};

struct Access {
  const Caps& caps;
  unsigned index;       // n of the register
  bool host_initiated;  // KVM_GET/SET_MSRS rather than guest RDMSR/WRMSR
};

struct Rule {
  using Exists = std::function<bool(const Access&)>;
  using Check = std::function<Outcome(const Access&, const Registers&, u64& value)>;  // may replace value
  using Read = std::function<Outcome(const Access&, const Registers&, u64& value)>;
  using Change = std::function<void(const Access&, Registers&, u64 value)>;
  Exists exists;  // absent: does not exist
  Check check;    // absent: accepts any value
  Read read;      // absent, and change: as the register's row says (RegAccess)
  Change change;
  std::string source;
};

class RuleLayer {
 public:
  std::string name;
  // Access to a register that does not exist, e.g. KVM's lenience for legacy MSRs. Default: #GP.
  std::function<Outcome(u32 msr, const Caps&, bool write)> absent;

  Rule& operator[](Reg reg) { return rules_[static_cast<unsigned>(reg)]; }
  const Rule& operator[](Reg reg) const { return rules_[static_cast<unsigned>(reg)]; }

  // Whole accesses: find the register, ask the four questions in order. `changed` tells whether a register's
  // stored value is different afterwards.
  Outcome read(u32 msr, const Caps& caps, const Registers& regs, bool host_initiated, u64& value) const;
  Outcome write(u32 msr, const Caps& caps, Registers& regs, bool host_initiated, u64 value,
                bool* changed = nullptr) const;

 private:
  std::array<Rule, kRegs> rules_;
};

}  // namespace pmusim::pmu
