// SPDX-License-Identifier: Apache-2.0
// A device as registers: what it is apart from how it is attached. The machine wraps one in a SystemC module
// (device.h); a hypervisor's virtual machine calls it directly.
#pragma once

#include "base/archive.h"
#include "base/types.h"

namespace pmusim::platform {

class RegisterModel {
 public:
  virtual ~RegisterModel() = default;
  virtual u64 read(u64 offset, unsigned size) = 0;  // size 1, 2, 4 or 8 bytes
  virtual void write(u64 offset, u64 value, unsigned size) = 0;
  virtual void reset() {}
  virtual void archive(Archive&) {}  // everything that a later access can notice
};

// A device with an 8-bit data bus: a wider access reaches it as consecutive bytes, the lowest address first.
class ByteRegisters : public RegisterModel {
 public:
  virtual u8 read_byte(u64 offset) = 0;
  virtual void write_byte(u64 offset, u8 value) = 0;
  u64 read(u64 offset, unsigned size) final {
    u64 value = 0;
    for (unsigned i = 0; i < size; ++i) value |= u64{read_byte(offset + i)} << (8 * i);
    return value;
  }
  void write(u64 offset, u64 value, unsigned size) final {
    for (unsigned i = 0; i < size; ++i) write_byte(offset + i, static_cast<u8>(value >> (8 * i)));
  }
};

// Where a device's registers are.
struct Place {
  const char* name;
  u64 base, size;
  RegisterModel* model;
};

}  // namespace pmusim::platform
