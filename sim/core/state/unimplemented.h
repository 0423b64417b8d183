// SPDX-License-Identifier: Apache-2.0
// Where the simulator cannot go on, though a real CPU would.
#pragma once

#include <stdexcept>
#include <string>

#include "base/types.h"

namespace pmusim::core {

// An instruction of the guest that is not implemented.
class Unimplemented : public std::runtime_error {
 public:
  Unimplemented(u64 address, const std::string& what) : std::runtime_error(what), rip(address) {}
  u64 rip;
};

// The guest has gone to an address that no memory holds. Real hardware reads what the bus answers, mostly
// ones; the simulator ends the run there, since nothing behind it is of use.
class OutsideRam final : public Unimplemented {
 public:
  using Unimplemented::Unimplemented;
};

}  // namespace pmusim::core
