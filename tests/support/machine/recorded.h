// SPDX-License-Identifier: Apache-2.0
// A run of the tests' machine whose events are kept: the machine is reset to its configuration, and is quiet
// again afterwards.
#pragma once

#include "tests/support/event_list.h"
#include "tests/support/machine/machine.h"

namespace pmusim::platform::test {

class Recorded {
 public:
  explicit Recorded(const MachineConfig& config) : config_(config) {
    config_.sink = &list;
    machine().reset(config_);
  }
  ~Recorded() {
    config_.sink = nullptr;
    machine().reset(config_);
  }
  Recorded(const Recorded&) = delete;
  Recorded& operator=(const Recorded&) = delete;

  pmusim::test::EventList list;

 private:
  MachineConfig config_;
};

}  // namespace pmusim::platform::test
