// SPDX-License-Identifier: Apache-2.0
// Address translation. Expectations: SDM Vol. 3, "Paging": "4-Level Paging", "Access Rights", "Page-Fault
// Exceptions", "Accessed and Dirty Flags".
#include <doctest/doctest.h>

#include "translation.h"

using namespace pmusim;
using namespace pmusim::core;
using namespace pmusim::core::test;

TEST_CASE("without paging a linear address is physical and wraps at 4 GiB") {
  Machine m;
  m.put(0x3000, 0x12345678);
  CHECK(m.mmu.read<u32>(0x3000) == 0x12345678);
  CHECK(m.mmu.read<u32>(0x100003000) == 0x12345678);
  m.put(0, 0xddcc, 2);
  m.mmu.read<u32>(0xfffffffe);  // two bytes of memory-mapped I/O, then two of page 0
  CHECK(m.env.mmio_reads == std::vector<u64>{0xfffffffe});
}

TEST_CASE("every combination of U/S, R/W and CR0.WP allows what the access-rights tables say") {
  for (const bool us : {false, true})
    for (const bool rw : {false, true})
      for (const bool wp : {false, true})
        for (const bool user : {false, true}) {
          CAPTURE(us);
          CAPTURE(rw);
          CAPTURE(wp);
          CAPTURE(user);
          Machine m;
          m.long_mode();
          m.map(kAt, 0x6000, kP | (us ? kU : 0) | (rw ? kW : 0));
          if (!wp) m.s.cr0 &= ~kCr0Wp;
          m.mmu.set_state(&m.s);
          if (user) m.user();
          const u32 u = user ? kErrU : 0;
          const bool read = us || !user;
          const bool write = user ? us && rw : rw || !wp;
          CHECK(allowed(m, kAt, 'r') == read);
          CHECK(allowed(m, kAt, 'w') == write);
          CHECK(allowed(m, kAt, 'x') == read);
          if (!read) CHECK(page_fault(m, kAt, 'r', kErrP | u));
          if (!write) CHECK(page_fault(m, kAt, 'w', kErrP | kErrW | u));
        }
}

TEST_CASE("rights are the conjunction over all levels") {
  Machine m;
  m.long_mode();
  m.map(kAt, 0x6000, kP | kW | kU);
  const u64 pdpte = m.entry_at(kAt, 3);
  m.put(pdpte, m.get(pdpte) & ~kW);
  m.user();
  CHECK(allowed(m, kAt, 'r'));
  CHECK(page_fault(m, kAt, 'w', kErrP | kErrW | kErrU));
  m.put(pdpte, (m.get(pdpte) | kW) & ~kU);
  m.mmu.flush_page(kAt);
  CHECK(page_fault(m, kAt, 'r', kErrP | kErrU));
}

TEST_CASE("a page that is not present faults with P clear, the same access as a fetch sets I only with NXE") {
  Machine m;
  m.long_mode();
  CHECK(page_fault(m, kAt, 'r', 0));
  CHECK(page_fault(m, kAt, 'w', kErrW));
  CHECK(page_fault(m, kAt, 'x', 0));
  m.s.efer |= kEferNxe;
  m.mmu.set_state(&m.s);
  CHECK(page_fault(m, kAt, 'x', kErrI));
  m.user();
  CHECK(page_fault(m, kAt, 'x', kErrI | kErrU));
}

TEST_CASE("NX forbids fetches with NXE and is a reserved bit without") {
  Machine m;
  m.long_mode();
  m.map(kAt, 0x6000, kP | kW | kNx);
  CHECK(page_fault(m, kAt, 'r', kErrP | kErrRsvd));
  m.s.efer |= kEferNxe;
  m.mmu.set_state(&m.s);
  CHECK(allowed(m, kAt, 'r'));
  CHECK(page_fault(m, kAt, 'x', kErrP | kErrI));
}

TEST_CASE("reserved bits fault at and above the physical width, not below it") {
  Machine m;
  m.long_mode();
  m.mmu.set_physical_bits(40);
  m.map(kAt, u64{1} << 39, kP | kW);
  m.mmu.read<u64>(kAt);
  CHECK(m.env.mmio_reads == std::vector<u64>{u64{1} << 39});
  m.map(kAt, u64{1} << 40, kP | kW);
  m.mmu.flush_page(kAt);
  CHECK(page_fault(m, kAt, 'r', kErrP | kErrRsvd));
  CHECK(page_fault(m, kAt, 'w', kErrP | kErrRsvd | kErrW));
}

TEST_CASE("the page-size bit is reserved in a PML4E, and in a PDPTE without 1-GiB pages") {
  Machine m;
  m.long_mode();
  m.map(kAt, 0, kP | kW | kPs, 3);
  CHECK(allowed(m, kAt + 0x3000, 'r'));
  Features none;
  m.mmu.set_features(none);
  m.mmu.flush_all();
  CHECK(page_fault(m, kAt + 0x3000, 'r', kErrP | kErrRsvd));
  const u64 pml4e = m.entry_at(kAt, 4);
  m.put(pml4e, m.get(pml4e) | kPs);
  CHECK(page_fault(m, kAt, 'r', kErrP | kErrRsvd));
}

TEST_CASE("2-MiB and 1-GiB pages take their offset from the linear address and reserve the bits between") {
  Machine m;
  m.long_mode();
  m.put(0x2345f8, 77);
  m.map(kAt, 0x200000, kP | kW | kPs, 2);
  CHECK(m.mmu.read<u64>(kAt + 0x345f8) == 77);
  m.map(0x80000000, 0, kP | kW | kPs, 3);
  CHECK(m.mmu.read<u64>(0x802345f8) == 77);
  m.map(kAt, 0x200000 | 1 << 13, kP | kW | kPs, 2);
  m.mmu.flush_all();
  CHECK(page_fault(m, kAt, 'r', kErrP | kErrRsvd));
  m.map(kAt, 0x200000 | 1 << 12, kP | kW | kPs, 2);  // PAT
  CHECK(allowed(m, kAt, 'r'));
}

TEST_CASE("the canonical boundary: the last address below it works, the next is #GP(0)") {
  Machine m;
  m.long_mode();
  const u64 low = 0x00007ffffffff000, high = 0xffff800000000000;
  m.map(low, 0x6000, kP | kW);
  m.map(high, 0x7000, kP | kW);
  CHECK(allowed(m, low + 0xffc, 'r'));
  CHECK(allowed(m, high, 'r'));
  CHECK(faults_with([&] { m.mmu.read<u8>(low + 0x1000); }, kGP, 0));
  CHECK(faults_with([&] { m.mmu.read<u8>(high - 1); }, kGP, 0));
  CHECK(faults_with([&] { m.mmu.read<u32>(low + 0xffd); }, kGP, 0));
  CHECK(faults_with([&] { m.mmu.fetch(low + 0x1000); }, kGP, 0));
}

TEST_CASE("a read sets accessed flags on every level, a write the dirty flag on the last only") {
  Machine m;
  m.long_mode();
  m.map(kAt, 0x6000, kP | kW);
  m.mmu.read<u8>(kAt);
  for (int level = 1; level <= 4; ++level) CHECK((m.get(m.entry_at(kAt, level)) & (kA | kD)) == kA);
  m.mmu.write<u8>(kAt, 1);
  CHECK((m.get(m.entry_at(kAt, 1)) & (kA | kD)) == (kA | kD));
  CHECK((m.get(m.entry_at(kAt, 2)) & kD) == 0);
}

TEST_CASE("a faulting access sets no flag") {
  Machine m;
  m.long_mode();
  m.map(kAt, 0x6000, kP);
  CHECK(page_fault(m, kAt, 'w', kErrP | kErrW));
  CHECK((m.get(m.entry_at(kAt, 1)) & (kA | kD)) == 0);
}

TEST_CASE(
    "an access across pages uses both mappings, and a write that would fault in the second changes nothing") {
  Machine m;
  m.long_mode();
  m.map(kAt, 0x6000, kP | kW);
  m.map(kAt + 0x1000, 0x20a000, kP | kW);
  m.mmu.write<u64>(kAt + 0xffb, 0x8877665544332211);
  CHECK(m.get(0x6ffb, 5) == 0x5544332211);
  CHECK(m.get(0x20a000, 3) == 0x887766);
  CHECK(m.mmu.read<u64>(kAt + 0xffb) == 0x8877665544332211);
  m.map(kAt + 0x1000, 0x20a000, kP);
  m.mmu.flush_page(kAt + 0x1000);
  const auto fault = fault_of([&] { m.mmu.write<u64>(kAt + 0xffb, 0); });
  REQUIRE(fault);
  CHECK(fault->cr2 == kAt + 0x1000);
  CHECK(m.get(0x6ffb, 5) == 0x5544332211);
}

TEST_CASE("read_for_write and probe_write fault as the write would") {
  Machine m;
  m.long_mode();
  m.map(kAt, 0x6000, kP);
  CHECK(faults_with([&] { m.mmu.read_for_write<u32>(kAt); }, kPF, kErrP | kErrW));
  CHECK(faults_with([&] { m.mmu.probe_write(kAt - 2, 4); }, kPF, kErrW));
  m.map(kAt - 0x1000, 0x7000, kP | kW);
  CHECK(faults_with([&] { m.mmu.probe_write(kAt - 2, 4); }, kPF, kErrP | kErrW));
  CHECK_FALSE(fault_of([&] { m.mmu.probe_write(kAt - 2, 2); }));
}

TEST_CASE("system accesses have supervisor rights at CPL 3") {
  Machine m;
  m.long_mode();
  m.map(kAt, 0x6000, kP | kW);
  m.user();
  CHECK(page_fault(m, kAt, 'r', kErrP | kErrU));
  m.mmu.write_system(kAt, 0xabcd, 2);
  CHECK(m.mmu.read_system(kAt, 2) == 0xabcd);
  CHECK(page_fault(m, kAt, 'r', kErrP | kErrU));  // and leave none behind in the TLB
}

TEST_CASE("stores to a page with decoded code are noticed, also when the page was written before") {
  struct Watcher : CodeWatcher {
    unsigned written = 0;
    void code_written(u64) override { ++written; }
  } w;
  Machine m;
  m.long_mode();
  m.ram.watch(w);
  m.map(kAt, 0x6000, kP | kW);
  m.mmu.write<u8>(kAt, 1);
  m.ram.mark_code(0x6000);
  m.mmu.write<u8>(kAt, 2);
  CHECK(w.written == 1);
  CHECK_FALSE(m.ram.has_code(0x6000));
  m.mmu.write<u8>(kAt, 3);
  CHECK(w.written == 1);
  m.ram.mark_code(0x6000);
  m.mmu.write_system(kAt + 4, 0, 4);
  CHECK(w.written == 2);
  m.ram.unwatch(w);
}

TEST_CASE("fetch gives the host address of the byte") {
  Machine m;
  m.long_mode();
  m.map(kAt, 0x6000, kP);
  const Mmu::Code c = m.mmu.fetch(kAt + 5);
  CHECK(c.physical == 0x6005);
  CHECK(c.host == m.memory.data() + 0x6005);
}

TEST_CASE("outside RAM an access is memory-mapped I/O, announced before it happens") {
  Machine m;
  unsigned announced = 0;
  m.mmu.set_outside_hook([](void* n, bool) { ++*static_cast<unsigned*>(n); }, &announced);
  CHECK(m.mmu.read<u32>(0xfee00020) == 0x55667788);
  CHECK(announced == 1);
  m.mmu.write<u32>(0xfee000b0, 7);
  CHECK(announced == 2);
  CHECK(m.env.mmio_writes == std::vector<u64>{0xfee000b0});
  CHECK(m.env.mmio_value == 7);
}

TEST_CASE("a page-table entry outside RAM reads as all ones, so the walk faults on reserved bits") {
  Machine m;
  m.long_mode();
  m.s.cr3 = 0x10000000;
  m.mmu.set_state(&m.s);
  CHECK(page_fault(m, kAt, 'r', kErrP | kErrRsvd));
}

TEST_CASE("a quiet translation neither faults nor sets flags") {
  Machine m;
  m.long_mode();
  m.map(kAt, 0x6000, kP);
  u64 gpa = 0;
  CHECK(m.mmu.translate_quietly(kAt + 3, gpa));
  CHECK(gpa == 0x6003);
  CHECK((m.get(m.entry_at(kAt, 1)) & kA) == 0);
  CHECK_FALSE(m.mmu.translate_quietly(kAt + 0x1000, gpa));
  CHECK_FALSE(m.mmu.translate_quietly(0x800000000000, gpa));
}

TEST_CASE("a store to a page that held code before its translation was cached is noticed") {
  Machine m;
  m.long_mode();
  m.map(kAt, 0x6000, kP | kW | kA | kD);
  m.ram.mark_code(0x6000);
  m.mmu.read<u8>(kAt);
  m.mmu.write<u8>(kAt, 1);
  CHECK_FALSE(m.ram.has_code(0x6000));
}
