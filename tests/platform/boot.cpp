// SPDX-License-Identifier: Apache-2.0
// Boot protocols: Multiboot 1 address fields (Multiboot Specification 0.6.96, 3.1.3), PVH (Xen, "x86/HVM
// direct boot ABI" and start_info.h version 1), flat binaries; modules, memory maps and ACPI tables (ACPI
// Specification 4.0, 5.2) as a guest finds them.
#include <doctest/doctest.h>

#include <cstring>

#include "base/error.h"
#include "base/rng.h"
#include "tests/support/machine/machine.h"

using namespace pmusim;
using namespace pmusim::platform;
using namespace pmusim::platform::test;

namespace {

struct Memory {
  std::vector<u8> bytes;
  explicit Memory(u64 size) : bytes(size) {}
  core::CpuState place(const Image& image, const BootOptions& options = {}) {
    core::CpuState entry;
    const auto write = [this](u64 at, const void* from, u64 size) {
      if (at > bytes.size() || size > bytes.size() - at) return false;
      std::memcpy(bytes.data() + at, from, size);
      return true;
    };
    place_image(image, options, bytes.size(), write, entry);
    return entry;
  }
  u64 get(u64 at, unsigned size) const {
    u64 value = 0;
    REQUIRE(at + size <= bytes.size());
    std::memcpy(&value, bytes.data() + at, size);
    return value;
  }
  std::string text(u64 at) const { return reinterpret_cast<const char*>(bytes.data() + at); }
  unsigned sum(u64 at, u64 size) const {
    unsigned s = 0;
    for (u64 i = 0; i < size; ++i) s += bytes[at + i];
    return s & 0xff;
  }
};

template <class T>
void put(std::vector<u8>& b, size_t at, T value) {
  std::memcpy(b.data() + at, &value, sizeof value);
}

// An ELF64 file: one segment at 1 MiB, linked high, and a note with the PVH entry.
std::vector<u8> pvh(u32 entry = 0x100010, u32 note_type = 18, u32 note_size = 4) {
  std::vector<u8> b(0x1100);
  const u8 ident[] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
  std::memcpy(b.data(), ident, sizeof ident);
  put<u16>(b, 16, 2);
  put<u16>(b, 18, 62);
  put<u64>(b, 24, 0xffffffff81000000);
  put<u64>(b, 32, 64);
  put<u16>(b, 54, 56);
  put<u16>(b, 56, 2);
  put<u32>(b, 64, 1);  // PT_LOAD
  put<u64>(b, 64 + 8, 0x1000);
  put<u64>(b, 64 + 16, 0xffffffff81000000);
  put<u64>(b, 64 + 24, 0x100000);
  put<u64>(b, 64 + 32, 0x100);
  put<u64>(b, 64 + 40, 0x1000);
  put<u32>(b, 120, 4);  // PT_NOTE
  put<u64>(b, 120 + 8, 0x200);
  put<u64>(b, 120 + 32, 44);
  put<u32>(b, 0x200, 4);  // another owner's note first
  put<u32>(b, 0x204, 4);
  put<u32>(b, 0x208, 18);
  std::memcpy(&b[0x20c], "GNU", 4);
  put<u32>(b, 0x214, 4);
  put<u32>(b, 0x218, note_size);
  put<u32>(b, 0x21c, note_type);
  std::memcpy(&b[0x220], "Xen", 4);
  put<u64>(b, 0x224, entry);
  return b;
}

std::string place_of(const std::vector<u8>& bytes) {
  try {
    load_image(bytes, "x");
  } catch (const InputError& e) {
    return e.place();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("PVH: an ELF64 file with Xen's note is entered at the note's address with EBX at the start info") {
  const Image image = load_image(pvh(), "vmlinux");
  CHECK(image.protocol == BootProtocol::Pvh);
  CHECK(image.entry == 0x100010);
  Memory m(16 << 20);
  BootOptions o;
  o.command_line = "vmlinux quiet";
  o.modules = {{"initrd.cpio", std::string(5000, 'i')}, {"second", "s"}};
  o.cpus = 2;
  const core::CpuState s = m.place(image, o);
  CHECK(s.rip == 0x100010);
  CHECK(s.cr0 == (core::kCr0Pe | core::kCr0Et));
  CHECK(s.cr4 == 0);
  CHECK((s.rflags & core::kIF) == 0);
  CHECK(s.tr.limit == 0x67);
  const u64 info = s.gpr[core::RBX];
  CHECK(m.get(info, 4) == 0x336ec578);
  CHECK(m.get(info + 4, 4) == 1);
  CHECK(m.get(info + 12, 4) == 2);
  const u64 modules = m.get(info + 16, 8);
  const u64 first = m.get(modules, 8);
  CHECK(first % 4096 == 0);
  CHECK(m.get(modules + 8, 8) == 5000);
  CHECK(m.bytes[first + 4999] == 'i');
  CHECK(m.text(m.get(modules + 16, 8)) == "initrd.cpio");
  CHECK(m.get(m.get(modules + 32, 8), 1) == 's');
  CHECK(m.text(m.get(info + 24, 8)) == "vmlinux quiet");
  CHECK(m.text(m.get(info + 32, 8)).substr(0, 8) == "RSD PTR ");
  const u64 map = m.get(info + 40, 8);
  REQUIRE(m.get(info + 48, 4) == 3);
  CHECK(m.get(map, 8) == 0);
  CHECK(m.get(map + 8, 8) == 0x9fc00);
  CHECK(m.get(map + 16, 4) == 1);
  CHECK(m.get(map + 24 + 16, 4) == 2);
  CHECK(m.get(map + 48, 8) == 0x100000);
  CHECK(m.get(map + 56, 8) == 15 << 20);
}

TEST_CASE(
    "PVH: notes that are none, entries outside the segments and odd sizes are refused where they stand") {
  CHECK(place_of(pvh()) == "accepted");
  CHECK(place_of(pvh(0x100010, 18, 8)) == "accepted");
  CHECK(place_of(pvh(0x100010, 17)) == "the first 8192 bytes");
  CHECK(place_of(pvh(0x101000)) == "PVH entry");
  CHECK(place_of(pvh(0x100010, 18, 6)) == "program header 1 notes");
  std::vector<u8> b = pvh();
  put<u64>(b, 120 + 8, 0x10f0);  // notes run off the file
  CHECK(place_of(b).find("program header 1 notes") == 0);
  b = pvh();
  put<u32>(b, 0x218, 0xfffffff0);  // a note longer than its segment
  CHECK(place_of(b) == "the first 8192 bytes");
  b = pvh();
  put<u64>(b, 64 + 24, u64{1} << 32);
  CHECK(place_of(b) == "program header 0");
  b = pvh();
  put<u16>(b, 18, 3);
  CHECK(place_of(b) == "ELF machine");
}

TEST_CASE("random damage to an ELF64 file never does more than raise an input error") {
  Rng rng(7);
  for (int round = 0; round < 3000; ++round) {
    std::vector<u8> b = pvh();
    for (int i = 0; i < 4; ++i) b[rng.below(0x240)] = static_cast<u8>(rng.next());
    try {
      for (const auto& s : load_image(b, "damaged").segments) CHECK(s.data.size() <= s.size);
    } catch (const InputError&) {
    }
  }
}

TEST_CASE("multiboot address fields load any file, with BSS, and are checked") {
  std::vector<u8> b(0x200);
  const u32 flags = 1 << 16;
  const auto header = [&](u32 head, u32 load, u32 load_end, u32 bss_end, u32 entry) {
    put<u32>(b, 0x40, 0x1badb002);
    put<u32>(b, 0x44, flags);
    put<u32>(b, 0x48, 0u - 0x1badb002 - flags);
    const u32 fields[] = {head, load, load_end, bss_end, entry};
    std::memcpy(&b[0x4c], fields, sizeof fields);
    return b;
  };
  const Image image = load_image(header(0x200040, 0x200020, 0x200100, 0x201000, 0x200080), "raw");
  REQUIRE(image.segments.size() == 1);
  CHECK(image.segments[0].address == 0x200020);
  CHECK(image.segments[0].data.size() == 0xe0);
  CHECK(image.segments[0].size == 0xfe0);
  CHECK(image.segments[0].data[0x20] == 0x02);  // the header's magic
  CHECK(image.entry == 0x200080);
  CHECK(load_image(header(0x200040, 0x200000, 0, 0, 0x200000), "raw").segments[0].data.size() == 0x200);
  const std::string place = "multiboot header at offset 0x40";
  CHECK(place_of(header(0x200040, 0x1fffff, 0, 0, 0x200000)) == place);         // before the file's start
  CHECK(place_of(header(0x200040, 0x200041, 0, 0, 0x200041)) == place);         // behind the header
  CHECK(place_of(header(0x200040, 0x200000, 0x200201, 0, 0x200000)) == place);  // beyond the file
  CHECK(place_of(header(0x200040, 0x200000, 0x1fffff, 0, 0x200000)) == place);
  CHECK(place_of(header(0x200040, 0x200000, 0, 0x2001ff, 0x200000)) == place);  // BSS ends inside
  CHECK(place_of(header(0x200040, 0x200000, 0, 0, 0x1fffff)) == place);         // entry outside
  CHECK(place_of(header(0x200040, 0x200000, 0, 0, 0x200200)) == place);
}

TEST_CASE("flat binaries are entered at their first byte, in protected or real mode") {
  const std::vector<u8> code = {0x90, 0xf4};
  Memory m(2 << 20);
  core::CpuState s = m.place(load_flat(code, "flat", 0x100000, BootProtocol::Flat));
  CHECK(s.rip == 0x100000);
  CHECK(s.protected_mode());
  CHECK(s.seg[core::CS].big());
  CHECK(m.bytes[0x100001] == 0xf4);
  s = m.place(load_flat(code, "flat", 0x7c05, BootProtocol::RealMode));
  CHECK_FALSE(s.protected_mode());
  CHECK(s.seg[core::CS].selector == 0x7c0);
  CHECK(s.seg[core::CS].base == 0x7c00);
  CHECK(s.rip == 5);
  CHECK(s.seg[core::DS].base == 0);
}

TEST_CASE("flat binaries that are empty or do not fit are refused") {
  const std::vector<u8> code(16, 0x90);
  CHECK_THROWS_AS(load_flat({}, "flat", 0x1000, BootProtocol::Flat), InputError);
  CHECK_NOTHROW(load_flat(code, "flat", 0xfffffff0, BootProtocol::Flat));
  CHECK_THROWS_AS(load_flat(code, "flat", 0xfffffff1, BootProtocol::Flat), InputError);
  CHECK_NOTHROW(load_flat(code, "flat", 0xffff0, BootProtocol::RealMode));
  CHECK_THROWS_AS(load_flat(code, "flat", 0xffff1, BootProtocol::RealMode), InputError);
  Memory m(2 << 20);
  CHECK_THROWS_AS(m.place(load_flat(code, "flat", 0x1ffff1, BootProtocol::Flat)), InputError);
  CHECK_NOTHROW(m.place(load_flat(code, "flat", 0x1ffff0, BootProtocol::Flat)));
}

TEST_CASE("modules that do not fit into memory are refused by name") {
  Memory m(2 << 20);
  BootOptions o;
  o.modules = {{"big", std::string((1 << 20) - 0x1000, 'x')}};
  CHECK_NOTHROW(m.place(load_image(pvh(), "x"), o));
  o.modules[0].bytes += 'x';
  try {
    m.place(load_image(pvh(), "x"), o);
    FAIL("accepted");
  } catch (const InputError& e) {
    CHECK(e.place() == "module big");
  }
}

TEST_CASE("ACPI: tables are found from the RSDP, their checksums are right, and they name every CPU") {
  Memory m(2 << 20);
  BootOptions o;
  o.cpus = 16;
  m.place(load_image(pvh(), "x"), o);
  const u64 rsdp = 0xe0000;
  CHECK(m.text(rsdp).substr(0, 8) == "RSD PTR ");
  CHECK(m.sum(rsdp, 20) == 0);
  CHECK(m.sum(rsdp, 36) == 0);
  CHECK(m.get(rsdp + 15, 1) == 2);
  const u64 rsdt = m.get(rsdp + 16, 4), xsdt = m.get(rsdp + 24, 8);
  REQUIRE(m.get(rsdt + 4, 4) == 36 + 8);
  REQUIRE(m.get(xsdt + 4, 4) == 36 + 16);
  for (unsigned i = 0; i < 2; ++i) CHECK(m.get(rsdt + 36 + 4 * i, 4) == m.get(xsdt + 36 + 8 * i, 8));
  const u64 fadt = m.get(rsdt + 36, 4), madt = m.get(rsdt + 40, 4);
  CHECK(std::memcmp(&m.bytes[fadt], "FACP", 4) == 0);
  CHECK(std::memcmp(&m.bytes[madt], "APIC", 4) == 0);
  const u64 dsdt = m.get(fadt + 40, 4);
  CHECK(std::memcmp(&m.bytes[dsdt], "DSDT", 4) == 0);
  CHECK(std::memcmp(&m.bytes[m.get(fadt + 36, 4)], "FACS", 4) == 0);
  for (const u64 table : {rsdt, xsdt, fadt, madt, dsdt}) CHECK(m.sum(table, m.get(table + 4, 4)) == 0);
  CHECK(m.get(fadt + 76, 4) == kPmTimerPort);
  unsigned cpus = 0, io_apics = 0;
  for (u64 at = madt + 44; at < madt + m.get(madt + 4, 4); at += m.get(at + 1, 1)) {
    if (m.get(at, 1) == 0) CHECK(m.get(at + 3, 1) == cpus++);
    if (m.get(at, 1) == 1) {
      ++io_apics;
      CHECK(m.get(at + 4, 4) == kIoApicBase);
    }
    if (m.get(at, 1) == 2 && m.get(at + 3, 1) == 0) CHECK(m.get(at + 4, 4) == 2);  // IRQ 0 at input 2
  }
  CHECK(cpus == 16);
  CHECK(io_apics == 1);
}

TEST_CASE("an image that covers the ACPI tables' place is loaded without them") {
  Memory m(2 << 20);
  m.place(load_flat(std::vector<u8>(0x10000, 0x90), "flat", 0xf0000, BootProtocol::RealMode));
  CHECK(m.get(0xe0000, 8) == 0);
  CHECK(m.bytes[0xf0000] == 0x90);
}
