// SPDX-License-Identifier: Apache-2.0
// MTRR accesses: reserved bits and reserved memory types are #GP.
#include "platform/cpu/mtrr.h"

#include "base/bits.h"

namespace pmusim::platform {
namespace {

constexpr u32 kCap = 0xfe, kVariableFirst = 0x200, kFix64k = 0x250, kFix16k = 0x258, kFix4k = 0x268,
              kDefaultType = 0x2ff;
constexpr u64 kCapValue = 0x500 | Mtrr::kVariable;  // fixed ranges, write combining

// Place among the fixed registers, -1 if it is none.
int fixed_index(u32 msr) {
  if (msr == kFix64k) return 0;
  if (msr == kFix16k || msr == kFix16k + 1) return static_cast<int>(msr - kFix16k) + 1;
  if (msr >= kFix4k && msr < kFix4k + 8) return static_cast<int>(msr - kFix4k) + 3;
  return -1;
}
bool is_variable(u32 msr) {
  return msr >= kVariableFirst && msr < kVariableFirst + 2 * Mtrr::kVariable;
}
bool valid_type(u64 type) {
  return type == 0 || type == 1 || (type >= 4 && type <= 6);
}

}  // namespace

bool Mtrr::owns(u32 msr) {
  return msr == kCap || msr == kDefaultType || is_variable(msr) || fixed_index(msr) >= 0;
}

bool Mtrr::read(u32 msr, u64& value) const {
  if (msr == kCap)
    value = kCapValue;
  else if (msr == kDefaultType)
    value = default_type_;
  else if (is_variable(msr))
    value = variable_[msr - kVariableFirst];
  else
    value = fixed_[fixed_index(msr)];
  return true;
}

bool Mtrr::write(u32 msr, u64 value, unsigned physical_bits) {
  if (msr == kCap) return false;
  if (msr == kDefaultType) {
    if (value & ~u64{0xcff} || !valid_type(value & 0xff)) return false;
    default_type_ = value;
    return true;
  }
  if (is_variable(msr)) {
    const u64 address = mask(physical_bits) & ~mask(12);
    const bool is_mask = msr & 1;
    if (value & ~(address | (is_mask ? u64{0x800} : u64{0xff}))) return false;
    if (!is_mask && !valid_type(value & 0xff)) return false;
    variable_[msr - kVariableFirst] = value;
    return true;
  }
  for (unsigned i = 0; i < 64; i += 8)
    if (!valid_type(value >> i & 0xff)) return false;
  fixed_[fixed_index(msr)] = value;
  return true;
}

}  // namespace pmusim::platform
