// SPDX-License-Identifier: Apache-2.0
// The table of PMU registers as descriptions, and look-ups in it.
#include "pmu/registers.h"

#include <stdexcept>

namespace pmusim::pmu {
namespace {

// Registers, and a name for what the table says of registers without storage.
struct Storage : Registers {
  static constexpr int none = 0;
};
constexpr RegStorage at(u64 (Registers::*array)[kMaxGp]) {
  return {array, nullptr};
}
constexpr RegStorage at(u64 Registers::*single) {
  return {nullptr, single};
}
constexpr RegStorage at(const int*) {
  return {};
}

constexpr bool Saved = true, NotSaved = false;

constexpr RegDescription kRegisters[] = {
#define PLACE(constant, name, address, stride, count, saved) name, address, stride, count, saved
#define ROW(reg, id, access, storage, vendor, ...) \
  {Reg::reg, #id, RegAccess::access, at(&Storage::storage), Vendor::vendor, __VA_ARGS__},
#define INTEL(reg, id, access, storage, asset, place) ROW(reg, id, access, storage, Intel, PLACE place)
#define AMD(reg, id, access, storage, asset, place) ROW(reg, id, access, storage, Amd, PLACE place)
#define BOTH(reg, id, access, storage, asset, intel, amd) \
  INTEL(reg, id, access, storage, asset, intel) AMD(reg, id, access, storage, asset, amd)
    PMU_REGISTERS_OF_BOTH(BOTH) PMU_REGISTERS_OF_INTEL(INTEL) PMU_REGISTERS_OF_AMD(AMD)
#undef PLACE
#undef ROW
#undef INTEL
#undef AMD
#undef BOTH
};

}  // namespace

const RegDescription& describe(Vendor vendor, Reg reg) {
  for (const RegDescription& d : kRegisters)
    if (d.vendor == vendor && d.reg == reg) return d;
  throw std::logic_error("the vendor has no such PMU register");
}

std::vector<RegDescription> register_descriptions(Vendor vendor) {
  std::vector<RegDescription> result;
  for (const RegDescription& d : kRegisters)
    if (d.vendor == vendor) result.push_back(d);
  return result;
}

std::optional<RegRef> find_register(Vendor vendor, u32 msr) {
  for (const RegDescription& d : kRegisters) {
    if (d.vendor != vendor || msr < d.address) continue;
    const u32 offset = msr - d.address;
    if (offset % d.stride == 0 && offset / d.stride < d.count)
      return RegRef{d.reg, static_cast<u8>(offset / d.stride)};
  }
  return std::nullopt;
}

u32 address_of(Vendor vendor, Reg reg, unsigned index) {
  const RegDescription& d = describe(vendor, reg);
  if (index >= d.count) throw std::logic_error(std::string("no such index of ") + d.name);
  return d.address + index * d.stride;
}

std::string name_of(Vendor vendor, RegRef ref) {
  const RegDescription& d = describe(vendor, ref.reg);
  std::string name = d.name;
  if (d.count > 1) name.replace(name.size() - 1, 1, std::to_string(ref.index));
  return name;
}

}  // namespace pmusim::pmu
