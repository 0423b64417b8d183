// SPDX-License-Identifier: Apache-2.0
// Breakpoints and single stepping (SDM Vol. 3, "Debug Exception (#DB)-Interrupt Vector 1", "Debug
// Registers").
#include <doctest/doctest.h>

#include "program.h"

namespace pmusim::core::test {
namespace {

constexpr u64 kHandler = 0x180000;
constexpr u64 kWriteByte = 1 << 16, kReadWriteWord = 7 << 16, kEnable0 = 1;

// Delivers #DB to a HLT and says at which RIP it was taken.
struct Debugged : Program {
  Debugged() {
    gate64(kDB, kCode64, kHandler);
    put(kHandler, 0xf4, 1);
  }
  u64 taken_at() const { return get(s.gpr[RSP]); }
  bool reached() const { return s.rip == kHandler + 1; }
};

}  // namespace

TEST_CASE("an instruction breakpoint is taken before its instruction, and RF lets it pass once") {
  Debugged p;
  p.code({0xff, 0xc0, 0xff, 0xc0, 0xf4});  // inc eax; inc eax; hlt
  p.s.dr[0] = Program::kCode + 2;
  p.s.dr[7] |= kEnable0;
  p.run_to_halt();
  CHECK(p.reached());
  CHECK(p.taken_at() == Program::kCode + 2);
  CHECK(p.s.gpr[RAX] == 1);
  CHECK((p.s.dr[6] & 0xf) == 1);
  p.s.rip = Program::kCode + 2;
  p.s.rflags |= kRF;
  p.s.activity = Activity::Running;
  p.run_to_halt();
  CHECK_FALSE(p.reached());
  CHECK(p.s.gpr[RAX] == 2);
  CHECK((p.s.rflags & kRF) == 0);
}

TEST_CASE("a data breakpoint is a trap after the access that touches its bytes, not beside them") {
  for (const unsigned offset : {2u, 3u, 4u, 5u, 6u}) {
    CAPTURE(offset);
    Debugged p;
    // mov word [disp32], ax; nop; hlt: two bytes at offset 4 of the data area
    p.code({0x66, 0x89, 0x04, 0x25, 0x04, 0x00, 0x20, 0x00, 0x90, 0xf4});
    p.s.dr[0] = Program::kDataAt + offset;
    p.s.dr[7] |= kEnable0 | kWriteByte;
    p.run_to_halt();
    const bool touched = offset == 4 || offset == 5;
    CHECK(p.reached() == touched);
    if (touched) CHECK(p.taken_at() == Program::kCode + 8);
  }
}

TEST_CASE("a load meets a read-write breakpoint and no write breakpoint, a fetch neither") {
  for (const bool both : {false, true}) {
    CAPTURE(both);
    Debugged p;
    p.code({0x8a, 0x04, 0x25, 0x01, 0x00, 0x20, 0x00, 0xf4});  // mov al, [data + 1]
    p.s.dr[0] = Program::kDataAt;
    p.s.dr[7] |= kEnable0 | (both ? kReadWriteWord : kWriteByte | 1 << 18);
    p.run_to_halt();
    CHECK(p.reached() == both);
  }
  Debugged p;
  p.code({0x90, 0xf4});
  p.s.dr[0] = Program::kCode;
  p.s.dr[7] |= kEnable0 | kReadWriteWord;
  p.run_to_halt();
  CHECK_FALSE(p.reached());
}

TEST_CASE("a breakpoint in the middle of REP MOVS is taken between two iterations") {
  Debugged p;
  p.code({0xf3, 0xa4, 0xf4});  // rep movsb
  p.s.gpr[RSI] = Program::kDataAt;
  p.s.gpr[RDI] = Program::kDataAt + 0x100;
  p.s.gpr[RCX] = 10;
  p.s.dr[0] = Program::kDataAt + 0x103;
  p.s.dr[7] |= kEnable0 | kWriteByte;
  p.run_to_halt();
  CHECK(p.reached());
  CHECK(p.taken_at() == Program::kCode);
  CHECK(p.s.gpr[RCX] == 6);
}

TEST_CASE("an I/O breakpoint needs CR4.DE") {
  for (const bool de : {false, true}) {
    CAPTURE(de);
    Debugged p;
    if (de) p.s.cr4 |= kCr4De;
    p.core.set_state(&p.s);
    p.code({0xe6, 0x80, 0x90, 0xf4});  // out 0x80, al
    p.s.dr[0] = 0x80;
    p.s.dr[7] |= kEnable0 | 2 << 16;
    p.run_to_halt();
    CHECK(p.reached() == de);
    if (de) CHECK(p.taken_at() == Program::kCode + 2);
  }
}

TEST_CASE("the trap of MOV SS is held until after the next instruction, that of STI is not") {
  Debugged p;
  p.code({0x8e, 0xd0, 0x90, 0x90, 0xf4});  // mov ss, eax; nop; nop
  p.s.gpr[RAX] = kData;
  p.s.rflags |= kTF;
  p.run_to_halt();
  CHECK(p.taken_at() == Program::kCode + 3);
  CHECK((p.s.dr[6] & 1 << 14) != 0);
  Debugged q;
  q.code({0xfb, 0x90, 0xf4});  // sti; nop
  q.s.rflags |= kTF;
  q.run_to_halt();
  CHECK(q.taken_at() == Program::kCode + 1);
}

TEST_CASE("general detect traps an access to a debug register and is off in the handler") {
  Debugged p;
  p.code({0x0f, 0x21, 0xc0, 0xf4});  // mov rax, dr0
  p.s.dr[7] |= 1 << 13;
  p.run_to_halt();
  CHECK(p.reached());
  CHECK(p.taken_at() == Program::kCode);
  CHECK((p.s.dr[6] & 1 << 13) != 0);
  CHECK((p.s.dr[7] & 1 << 13) == 0);
}

}  // namespace pmusim::core::test
