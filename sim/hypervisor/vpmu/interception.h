// SPDX-License-Identifier: Apache-2.0
// Whether a guest's accesses to an MSR exit, and what decided it. The answer that fills the MSR bitmap and
// the one that is shown to people are the same (Vpmu::interception).
#pragma once

#include <string>

#include "hypervisor/vpmu/policy.h"

namespace pmusim::hv {

struct VpmuState;

enum class DecidedBy : u8 {
  NoRegister,   // of the vPMU's: everything that KVM does not name is intercepted
  NoPmu,        // the guest has none
  HiddenAsset,  // the policy hides the register
  KvmRule,      // this vCPU has no such register
  Policy,       // how the policy handles the asset for this guest
};

struct Interception {
  bool intercepted = true;  // reads and writes alike
  DecidedBy decided = DecidedBy::NoRegister;
  Asset asset = Asset::Number;  // that the register belongs to; Number with NoRegister
  Handling handling = Handling::Hidden;
};

// The conditions of a choice and which of them hold: "counts-match and version>1 hold", "counts-match does
// not hold"; "" of a choice without.
std::string condition_text(const Choice& choice, const HandlingFacts& facts);

// What decided, for people. msr: whose interception it is; 0: RDPMC's.
std::string interception_text(const VpmuState& state, u32 msr, const Interception& interception);

}  // namespace pmusim::hv
