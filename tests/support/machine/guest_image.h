// SPDX-License-Identifier: Apache-2.0
// Guests of tests as images: parts in an ELF32 multiboot container, which start in 32-bit protected mode, and
// the tables that one with interrupts needs.
#pragma once

#include <vector>

#include "platform/boot/image.h"
#include "tests/support/assembler.h"

namespace pmusim::platform::test {

using pmusim::test::Assembler;

struct Part {
  u32 address;
  std::vector<u8> bytes;
  u32 size = 0;  // in memory; 0: as many as bytes
};
inline Part part(const Assembler& code) {
  return {code.base(), code.bytes(), 0};
}

inline constexpr u32 kTables = 0x200000, kStack = 0x300000;
// GDT (08h code, 10h data), and an IDT that sends `vector` to `handler` (both in 32-bit protected mode).
Part tables(u8 vector, u32 handler);
Assembler& load_tables(Assembler& code);  // these, flat segments and a stack

std::vector<u8> make_elf(u32 entry, const std::vector<Part>& parts);
Image make_image(const Assembler& main, std::vector<Part> more = {});

}  // namespace pmusim::platform::test
