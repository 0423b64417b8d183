// SPDX-License-Identifier: Apache-2.0
// MTRRs (SDM Vol. 3, "Memory Type Range Registers (MTRRs)").
#include <doctest/doctest.h>

#include "arch/cpuid.h"
#include "platform/cpu/mtrr.h"

using namespace pmusim;
using platform::Mtrr;

TEST_CASE("MTRRs keep what they are given, and reserved bits and memory types are refused") {
  Mtrr m;
  u64 value = 0;
  CHECK(m.read(0xfe, value));
  CHECK(value == 0x508);
  CHECK_FALSE(m.write(0xfe, 0x508, 46));
  CHECK(m.write(0x20e, (u64{1} << 45) | 6, 46));
  CHECK(m.read(0x20e, value));
  CHECK(value == ((u64{1} << 45) | 6));
  CHECK_FALSE(m.write(0x20e, (u64{1} << 46) | 6, 46));
  CHECK_FALSE(m.write(0x200, 0x100, 46));
  CHECK(m.write(0x201, 0x800, 46));
  CHECK_FALSE(m.write(0x201, 0x400, 46));
  for (u64 type = 0; type < 256; ++type) {
    CAPTURE(type);
    const bool valid = type == 0 || type == 1 || type == 4 || type == 5 || type == 6;
    CHECK(m.write(0x200, type, 46) == valid);
    CHECK(m.write(0x2ff, 0xc00 | type, 46) == valid);
    CHECK(m.write(0x26f, type << 56, 46) == valid);
  }
  CHECK_FALSE(m.write(0x2ff, 0x1006, 46));
}

TEST_CASE(
    "MTRR addresses are the variable pairs, the eleven fixed ones, the default type and the capability") {
  unsigned count = 0;
  for (u32 msr = 0; msr < 0x400; ++msr) count += Mtrr::owns(msr);
  CHECK(count == 16 + 11 + 2);
  CHECK_FALSE(Mtrr::owns(0x210));
  CHECK_FALSE(Mtrr::owns(0x251));
  CHECK_FALSE(Mtrr::owns(0x270));
}

// SDM Vol. 3, "Enumeration of Paging Features by CPUID": 36 bits without leaf 80000008H.
TEST_CASE("a CPU that does not tell its physical-address width has 36 bits") {
  CpuidTable table;
  table.set(0, 0, {0x16, 0x756e6547, 0x6c65746e, 0x49656e69});
  table.set(0x16, 0, {0x834, 0, 0, 0});
  CHECK(physical_address_bits(table) == 36);
  table.set(0x80000000, 0, {0x80000007, 0, 0, 0});
  CHECK(physical_address_bits(table) == 36);
  table.set(0x80000000, 0, {0x80000008, 0, 0, 0});
  table.set(0x80000008, 0, {0x302e, 0, 0, 0});
  CHECK(physical_address_bits(table) == 46);
}
