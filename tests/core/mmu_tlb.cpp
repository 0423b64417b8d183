// SPDX-License-Identifier: Apache-2.0
// What is cached of translations and when it goes. Expectations: SDM Vol. 3, "Caching Translation
// Information".
#include <doctest/doctest.h>

#include "translation.h"

using namespace pmusim;
using namespace pmusim::core;
using namespace pmusim::core::test;

TEST_CASE("an entry cached at CPL 0 gives no rights at CPL 3") {
  Machine m;
  m.long_mode();
  m.map(kAt, 0x6000, kP | kW);
  CHECK(allowed(m, kAt, 'w'));
  m.s.cpl = 3;
  m.mmu.access_changed();
  CHECK(page_fault(m, kAt, 'r', kErrP | kErrU));
  CHECK(page_fault(m, kAt, 'w', kErrP | kErrW | kErrU));
}

TEST_CASE("CR3 writes keep global pages only with CR4.PGE, INVLPG drops them") {
  for (const bool pge : {false, true}) {
    CAPTURE(pge);
    Machine m;
    m.long_mode();
    if (pge) m.s.cr4 |= kCr4Pge;
    m.mmu.set_state(&m.s);
    m.map(kAt, 0x6000, kP | kG);
    m.map(kAt + 0x1000, 0x6000, kP);
    m.mmu.read<u8>(kAt);
    m.mmu.read<u8>(kAt + 0x1000);
    m.map(kAt, 0, 0);
    m.map(kAt + 0x1000, 0, 0);
    CHECK(allowed(m, kAt + 0x1000, 'r'));  // stale, as on hardware
    m.mmu.flush_non_global();
    CHECK(allowed(m, kAt, 'r') == pge);
    CHECK_FALSE(allowed(m, kAt + 0x1000, 'r'));
    m.mmu.flush_page(kAt);
    CHECK_FALSE(allowed(m, kAt, 'r'));
  }
}

TEST_CASE("entries of one address-space tag serve no other, and survive a visit to it") {
  Machine m;
  m.long_mode();
  m.map(kAt, 0x6000, kP);
  m.mmu.read<u8>(kAt);
  const u64 walks = m.mmu.page_walks;
  CpuState other = m.s;
  m.mmu.set_state(&other);
  m.mmu.set_world(nullptr, nullptr, 5);
  m.mmu.read<u8>(kAt);
  CHECK(m.mmu.page_walks == walks + 1);
  m.map(kAt + 0x1000, 0x6000, kP);
  m.mmu.read<u8>(kAt + 0x1000);
  m.mmu.set_state(&m.s);
  m.mmu.set_world(nullptr, nullptr, 0);
  m.mmu.read<u8>(kAt);
  m.mmu.set_state(&other);
  m.mmu.set_world(nullptr, nullptr, 5);
  const u64 before = m.mmu.page_walks;
  m.mmu.read<u8>(kAt + 0x1000);
  CHECK(m.mmu.page_walks == before);
  m.mmu.flush_tag(5);
  m.mmu.read<u8>(kAt + 0x1000);
  CHECK(m.mmu.page_walks == before + 1);
}

TEST_CASE("paging registers changed from outside drop the tag's entries at the next set_state") {
  Machine m;
  m.long_mode();
  m.map(kAt, 0x6000, kP);
  m.mmu.read<u8>(kAt);
  m.map(kAt, 0, 0);
  m.mmu.set_state(&m.s);
  CHECK(allowed(m, kAt, 'r'));
  m.s.cr4 |= kCr4Pge;
  m.mmu.set_state(&m.s);
  CHECK_FALSE(allowed(m, kAt, 'r'));
}

TEST_CASE("an address-space tag beyond the TLB's range is refused") {
  Machine m;
  CHECK_NOTHROW(m.mmu.set_world(nullptr, nullptr, Mmu::kTags - 1));
  CHECK_THROWS(m.mmu.set_world(nullptr, nullptr, Mmu::kTags));
}

TEST_CASE("flushes of one address-space tag leave the others alone") {
  Machine m;
  m.long_mode();
  m.map(kAt, 0x6000, kP);
  m.mmu.read<u8>(kAt);
  const u64 walks = m.mmu.page_walks;
  m.mmu.flush_tag(5);
  m.mmu.read<u8>(kAt);
  CHECK(m.mmu.page_walks == walks);
  m.mmu.set_world(nullptr, nullptr, 5);
  m.map(kAt + 0x1000, 0x6000, kP);
  m.mmu.read<u8>(kAt + 0x1000);
  m.mmu.flush_non_global();
  m.mmu.set_world(nullptr, nullptr, 0);
  const u64 before = m.mmu.page_walks;
  m.mmu.read<u8>(kAt);
  CHECK(m.mmu.page_walks == before);
}

TEST_CASE("another second stage under the same tag drops its entries") {
  Machine m;
  FakeIntercepts intercepts;
  PageMap one, two;
  m.long_mode();
  m.map(kAt, 0x6000, kP);
  two.pages[0x6000] = {true, true, 0x7000};
  m.put(0x7000, 9, 1);
  m.mmu.set_world(&one, &intercepts, 3);
  CHECK(m.mmu.read<u8>(kAt) == 0);
  m.mmu.set_world(&two, &intercepts, 3);
  CHECK(m.mmu.read<u8>(kAt) == 9);
}
