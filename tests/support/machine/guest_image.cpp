// SPDX-License-Identifier: Apache-2.0
// The bytes of tables and containers.
#include "tests/support/machine/guest_image.h"

#include <cstring>

namespace pmusim::platform::test {
namespace {

void put32(std::vector<u8>& out, size_t at, u32 v) {
  std::memcpy(out.data() + at, &v, 4);
}
void put16(std::vector<u8>& out, size_t at, u16 v) {
  std::memcpy(out.data() + at, &v, 2);
}

}  // namespace

Assembler& load_tables(Assembler& code) {
  using namespace pmusim::test;
  code.lgdt(kTables + 0xff0).lidt(kTables + 0xff8);
  code.mov(ax, 0x10).mov(ds, ax).mov(es, ax).mov(ss, ax).mov(esp, kStack);
  return code.jmp_far(8, code.here() + 7);
}

Part tables(u8 vector, u32 handler) {
  Part p{kTables, std::vector<u8>(0x1000), 0};
  const u32 gdt[] = {0, 0, 0x0000ffff, 0x00cf9a00, 0x0000ffff, 0x00cf9200};
  std::memcpy(p.bytes.data(), gdt, sizeof gdt);
  const size_t gate = 0x100 + vector * 8u;
  put16(p.bytes, gate, static_cast<u16>(handler));
  put16(p.bytes, gate + 2, 8);
  put16(p.bytes, gate + 4, 0x8e00);
  put16(p.bytes, gate + 6, static_cast<u16>(handler >> 16));
  put16(p.bytes, 0xff0, sizeof gdt - 1);
  put32(p.bytes, 0xff2, kTables);
  put16(p.bytes, 0xff8, 0x7ff);
  put32(p.bytes, 0xffa, kTables + 0x100);
  return p;
}

std::vector<u8> make_elf(u32 entry, const std::vector<Part>& parts) {
  std::vector<u8> out(0x1000);
  const u8 ident[16] = {0x7f, 'E', 'L', 'F', 1, 1, 1};
  std::memcpy(out.data(), ident, sizeof ident);
  put16(out, 16, 2);
  put16(out, 18, 3);
  put32(out, 20, 1);
  put32(out, 24, entry);
  put32(out, 28, 52);
  put16(out, 40, 52);
  put16(out, 42, 32);
  put16(out, 44, static_cast<u16>(parts.size()));
  put32(out, 0xf00, 0x1badb002);
  put32(out, 0xf08, 0u - 0x1badb002);
  size_t header = 52;
  for (const Part& p : parts) {
    put32(out, header, 1);
    put32(out, header + 4, static_cast<u32>(out.size()));
    put32(out, header + 8, p.address);
    put32(out, header + 12, p.address);
    put32(out, header + 16, static_cast<u32>(p.bytes.size()));
    put32(out, header + 20, p.size ? p.size : static_cast<u32>(p.bytes.size()));
    out.insert(out.end(), p.bytes.begin(), p.bytes.end());
    header += 32;
  }
  return out;
}

Image make_image(const Assembler& main, std::vector<Part> more) {
  more.push_back(part(main));
  return load_image(make_elf(main.base(), more), "test image");
}

}  // namespace pmusim::platform::test
