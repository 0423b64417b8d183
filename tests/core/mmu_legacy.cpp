// SPDX-License-Identifier: Apache-2.0
// 32-bit and PAE paging. Expectations: SDM Vol. 3, "32-Bit Paging", "PAE Paging".
#include <doctest/doctest.h>

#include "translation.h"

using namespace pmusim;
using namespace pmusim::core;
using namespace pmusim::core::test;

TEST_CASE("32-bit paging: two levels, 4-MiB pages with PSE, bit 7 ignored without") {
  Machine m;
  m.protected_mode();
  m.s.cr3 = 0x20000;
  m.s.cr0 |= kCr0Pg;
  m.put(0x20000, 0x21000 | kP | kW, 4);
  m.put(0x21000 + 0x40 * 4, 0x6000 | kP | kW, 4);
  m.put(0x20000 + 4, 0x0 | kP | kW | kPs, 4);  // PSE: 4 MiB at 0
  m.put(0x6008, 99);
  m.mmu.set_state(&m.s);
  CHECK(m.mmu.read<u64>(0x40008) == 99);
  CHECK(m.get(0x21000 + 0x40 * 4, 4) == (0x6000 | kP | kW | kA));
  m.s.cr4 = kCr4Pse;
  m.mmu.set_state(&m.s);
  CHECK(m.mmu.read<u64>(0x406008) == 99);
  m.put(0x20000 + 4, 0x200000 | kP | kW | kPs, 4);  // bit 21 is reserved
  m.mmu.flush_all();
  CHECK(page_fault(m, 0x406008, 'r', kErrP | kErrRsvd));
}

TEST_CASE("PAE paging: four PDPTEs without rights or accessed flags, 2-MiB pages") {
  Machine m;
  m.protected_mode();
  m.s.cr3 = 0x20020;
  m.s.cr4 = kCr4Pae;
  m.s.cr0 |= kCr0Pg;
  m.put(0x20020 + 8, 0x21000 | kP);
  m.put(0x21000, 0x200000 | kP | kW | kU | kPs);
  m.put(0x200010, 55);
  m.mmu.set_state(&m.s);
  m.user();
  CHECK(m.mmu.read<u64>(0x40000010) == 55);
  CHECK(allowed(m, 0x40000010, 'w'));
  CHECK(m.get(0x20028) == (0x21000 | kP));
  m.put(0x20028, 0x21000 | kP | kW);  // R/W is reserved in a PDPTE
  m.mmu.flush_all();
  CHECK(page_fault(m, 0x40000010, 'r', kErrP | kErrRsvd | kErrU));
}

TEST_CASE("PAE paging reserves bits 62:52, which 4-level paging ignores") {
  Machine m;
  m.protected_mode();
  m.s.cr3 = 0x20000;
  m.s.cr4 = kCr4Pae;
  m.s.cr0 |= kCr0Pg;
  m.put(0x20000, 0x21000 | kP);
  m.put(0x21000, kP | kPs | u64{1} << 52);
  m.mmu.set_state(&m.s);
  CHECK(page_fault(m, 0x6000, 'r', kErrP | kErrRsvd));
  Machine n;
  n.long_mode();
  n.map(kAt, 0x6000, kP | u64{1} << 52 | u64{1} << 62);
  CHECK(allowed(n, kAt, 'r'));
}
