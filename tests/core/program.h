// SPDX-License-Identifier: Apache-2.0
// A core that executes raw machine code in flat 64-bit long mode on the test machine.
#pragma once

#include <initializer_list>

#include "core/run/core.h"
#include "machine.h"

namespace pmusim::core::test {

struct Program : Machine {
  static constexpr u64 kCode = 0x100000, kDataAt = 0x200000;
  Core core{ram, env, timing};

  Program() {
    long_mode();
    start();
  }
  void start(u64 rip = kCode) {
    s.rip = rip;
    core.configure(config);
    core.set_state(&s);
  }
  void code(const std::vector<u8>& bytes, u64 at = kCode) { ram.write(at, bytes.data(), bytes.size()); }
  u64 count(Count kind) const {
    u64 sum = 0;
    for (const CountVector& v : core.counts()) sum += v[static_cast<unsigned>(kind)];
    return sum;
  }
  // Runs until HLT.
  void run_to_halt() {
    Stop stop = Stop::SliceEnd;
    for (int i = 0; i < 1000 && stop == Stop::SliceEnd; ++i) stop = core.run({});
    if (stop != Stop::Halted) throw std::runtime_error("program did not halt");
  }
  Stop run(u64 instructions) {
    Limit limit;
    limit.instructions = instructions;
    return core.run(limit);
  }
};

}  // namespace pmusim::core::test
