// SPDX-License-Identifier: Apache-2.0
// A CPU for tests of system instructions: long mode, MSRs by index, and in a guest if asked.
#pragma once

#include "arch/msr.h"
#include "machine.h"

namespace pmusim::core::test {

struct Cpu : Machine {
  FakeIntercepts intercepts;
  explicit Cpu(bool amd = false) {
    long_mode();
    config.amd = amd;
  }
  void guest(bool faults_first = false) {
    intercepts.all = true;
    intercepts.faults_first = faults_first;
    x.intercepts = &intercepts;
  }
  void wrmsr(u32 index, u64 value) {
    s.gpr[RCX] = index;
    s.gpr[RAX] = value & 0xffffffff;
    s.gpr[RDX] = value >> 32;
    core::wrmsr(x);
  }
  u64 rdmsr(u32 index) {
    s.gpr[RCX] = index;
    core::rdmsr(x);
    return s.gpr[RAX] | s.gpr[RDX] << 32;
  }
  void rdpmc(u32 ecx) {
    s.gpr[RCX] = ecx;
    core::rdpmc(x);
  }
};

template <class F>
inline bool gp(F f) {
  return faults_with(f, kGP, 0);
}
template <class F>
bool ud(F f) {
  const auto fault = fault_of(f);
  return fault && fault->vector == kUD && !fault->has_error_code;
}
template <class F>
ExitKind exit_kind(F f) {
  const auto exit = exit_of(f);
  return exit ? exit->kind : ExitKind::None;
}

}  // namespace pmusim::core::test
