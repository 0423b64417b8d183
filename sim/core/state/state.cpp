// SPDX-License-Identifier: Apache-2.0
// Reset state (SDM Vol. 3, "Processor State After Reset"). EDX, which then holds the processor signature, is
// left 0: the signature belongs to the model's CPUID.
#include "core/state/state.h"

namespace pmusim::core {

void reset(CpuState& state) {
  state = CpuState{};
  for (Segment& s : state.seg) s.access = 0x93;
  state.seg[CS] = {0xffff0000, 0xffff, 0x9b, 0xf000};
  state.ldtr.access = 0x82;
  state.tr.access = 0x8b;
  state.rip = 0xfff0;
  state.cr0 = kCr0Cd | kCr0Nw | kCr0Et;
  state.fpu.control = kFcwReset;
  state.fpu.tags = 0xff;  // FTW 5555H: all registers hold +0.0
}

void init(CpuState& state) {
  const FpuState fpu = state.fpu;
  reset(state);
  state.fpu = fpu;
}

}  // namespace pmusim::core
