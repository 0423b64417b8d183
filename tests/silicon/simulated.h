// SPDX-License-Identifier: Apache-2.0
// A bare core that executes the same states: 64-bit user code over page tables that give the arena's pages
// the host's rights; gates with the privilege levels of Linux; a fault is read from the frame that its
// delivery pushes on the kernel stack.
#pragma once

#include <memory>

#include "arena.h"
#include "core/decode/decode.h"
#include "core/run/core.h"

namespace pmusim::silicon {

class SimulatedCpu {
 public:
  SimulatedCpu();
  ~SimulatedCpu();
  SimulatedCpu(const SimulatedCpu&) = delete;
  SimulatedCpu& operator=(const SimulatedCpu&) = delete;

  // What the host has of the choices that the core's configuration leaves.
  static const core::CoreConfig& host_like();

  void load(const Batch& batch);
  // branches: runs on until an event.
  void execute(const Batch& batch, const Input& input, bool branches, Outcome& outcome);

 private:
  struct Machine;
  std::unique_ptr<Machine> m_;
};

}  // namespace pmusim::silicon
