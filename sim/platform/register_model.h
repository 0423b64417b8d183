// SPDX-License-Identifier: Apache-2.0
// A device as registers: what it is apart from how it is attached. The machine wraps one in a SystemC module
// (device.h); a hypervisor's virtual machine calls it directly.
#pragma once

#include "base/types.h"
#include "platform/state_archive.h"

namespace pmusim::platform {

class RegisterModel {
 public:
  virtual ~RegisterModel() = default;
  virtual u64 read(u64 offset, unsigned size) = 0;  // size 1, 2, 4 or 8 bytes
  virtual void write(u64 offset, u64 value, unsigned size) = 0;
  virtual void reset() {}
  virtual void archive(Archive&) {}  // everything that a later access can notice
};

}  // namespace pmusim::platform
