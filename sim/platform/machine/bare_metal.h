// SPDX-License-Identifier: Apache-2.0
// The program of a CPU without a hypervisor: execute what memory holds. Keeps no state of its own, so a
// machine that runs only this can be saved and restored.
#pragma once

#include "platform/cpu/cpu.h"

namespace pmusim::platform {

class BareMetal final : public CpuProgram {
 public:
  void run(Cpu& cpu) override {
    for (;;) cpu.slice();  // left only by Abandoned or an error
  }
};

}  // namespace pmusim::platform
