// SPDX-License-Identifier: Apache-2.0
// Memory type range registers: 8 variable ranges, fixed ranges, write combining (SDM Vol. 3, "Memory Type
// Range Registers (MTRRs)"; AMD APM Vol. 2, "Memory-Type Range Registers"). Registers only: memory types are
// not modelled. Power-on state is what firmware leaves: enabled, default type write-back.
#pragma once

#include "base/archive.h"
#include "base/types.h"

namespace pmusim::platform {

class Mtrr {
 public:
  static constexpr unsigned kVariable = 8;
  static bool owns(u32 msr);
  bool read(u32 msr, u64& value) const;
  bool write(u32 msr, u64 value, unsigned physical_bits);  // false: #GP
  void archive(Archive& a) { a(variable_, fixed_, default_type_); }

 private:
  static constexpr unsigned kFixed = 11;
  u64 variable_[2 * kVariable] = {};  // base, mask
  u64 fixed_[kFixed] = {};            // 64K, 16K x 2, 4K x 8
  u64 default_type_ = 0xc06;
};

}  // namespace pmusim::platform
