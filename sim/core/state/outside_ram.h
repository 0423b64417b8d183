// SPDX-License-Identifier: Apache-2.0
// The guest has gone to an address that no memory holds. Real hardware reads what the bus answers, mostly
// ones; the simulator ends the run there, since nothing behind it is of use.
#pragma once

#include "core/run/core.h"

namespace pmusim::core {

class OutsideRam final : public Unimplemented {
 public:
  using Unimplemented::Unimplemented;
};

}  // namespace pmusim::core
