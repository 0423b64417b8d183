// SPDX-License-Identifier: Apache-2.0
// Stack instructions and port I/O: operand sizes and what they leave. SDM Vol. 2, the instructions' pages.
#include <doctest/doctest.h>

#include "program.h"

namespace pmusim::core::test {
namespace {

u64 moved(const std::vector<u8>& bytes) {
  Program p;
  p.s.gpr[RBP] = Machine::kStack - 64;
  p.s.gpr[RSI] = Program::kDataAt;
  p.code(bytes);
  p.run(1);
  CHECK(p.s.rip == Program::kCode + bytes.size());
  return p.s.gpr[RSP] - Machine::kStack;
}

}  // namespace

TEST_CASE("stack instructions of 64-bit code move RSP by 8, with an operand-size prefix by 2") {
  CHECK(moved({0x50}) == u64{0} - 8);
  CHECK(moved({0x66, 0x50}) == u64{0} - 2);
  CHECK(moved({0x6a, 0xff}) == u64{0} - 8);
  CHECK(moved({0x68, 1, 2, 3, 0x84}) == u64{0} - 8);
  CHECK(moved({0xff, 0x36}) == u64{0} - 8);
  CHECK(moved({0x9c}) == u64{0} - 8);
  CHECK(moved({0x66, 0x9c}) == u64{0} - 2);
  CHECK(moved({0x9d}) == 8);
  CHECK(moved({0x58}) == 8);
  CHECK(moved({0x8f, 0x06}) == 8);
  CHECK(moved({0x0f, 0xa0}) == u64{0} - 8);
  CHECK(moved({0x0f, 0xa1}) == 8);
  CHECK(moved({0xc8, 0x20, 0, 0}) == u64{0} - 0x28);
  CHECK(moved({0xc8, 0x20, 0, 2}) == u64{0} - 0x38);
  CHECK(moved({0xc9}) == u64{0} - 56);
}

TEST_CASE("immediates are pushed sign-extended") {
  Program p;
  p.code({0x6a, 0xfe, 0x68, 0, 0, 0, 0x80, 0xf4});
  p.run_to_halt();
  CHECK(p.get(Machine::kStack - 8) == ~u64{1});
  CHECK(p.get(Machine::kStack - 16) == 0xffffffff80000000);
}

TEST_CASE("POP to memory addressed by RSP uses the incremented RSP, POP RSP takes the value") {
  Program p;
  p.put(Machine::kStack, 0x55);
  p.put(Machine::kStack + 8, 0x7000);
  p.code({0x8f, 0x44, 0x24, 0x08, 0x5c, 0xf4});  // pop [rsp + 8]; pop rsp
  p.run_to_halt();
  CHECK(p.get(Machine::kStack + 16) == 0x55);
  CHECK(p.s.gpr[RSP] == 0x7000);
}

TEST_CASE("near calls and returns through registers, memory and immediate pops") {
  Program p;
  p.s.gpr[RBX] = Program::kCode + 0x40;
  p.put(Program::kDataAt, Program::kCode + 0x40);
  p.s.gpr[RSI] = Program::kDataAt;
  p.code({0x50, 0xff, 0xd3, 0x50, 0xff, 0x16, 0xff, 0xe3});       // push; call rbx; push; call [rsi]; jmp rbx
  p.put(Machine::kStack, Program::kCode + 0x60);                  // where the last RET goes
  p.code({0xff, 0xc1, 0xc2, 0x08, 0x00}, Program::kCode + 0x40);  // inc ecx; ret 8
  p.code({0xf4}, Program::kCode + 0x60);
  p.run_to_halt();
  CHECK(p.s.gpr[RCX] == 3);
  CHECK(p.s.gpr[RSP] == Machine::kStack + 16);
  CHECK(p.count(Count::IndirectCall) == 2);
  CHECK(p.count(Count::IndirectJump) == 1);
  CHECK(p.count(Count::Return) == 3);
}

TEST_CASE("a branch to a non-canonical address is #GP at the branch") {
  Program p;
  p.gate64(kGP, kCode64, 0x110000);
  p.code({0xf4}, 0x110000);
  p.s.gpr[RAX] = u64{1} << 47;
  p.code({0x90, 0xff, 0xe0});
  p.run_to_halt();
  CHECK(p.get(p.s.gpr[RSP] + 8) == Program::kCode + 1);
  CHECK(p.count(Count::IndirectJump) == 0);
}

TEST_CASE("IN and OUT take the port from an immediate or DX") {
  Program p;
  p.s.gpr[RDX] = 0x3f8;
  p.s.gpr[RAX] = 0x11223344;
  p.code({0xe6, 0xf4, 0xef, 0xed, 0xf4});  // out 0xf4, al; out dx, eax; in eax, dx
  p.run_to_halt();
  CHECK(p.env.io_writes == std::vector<u64>{0x44, 0x11223344});
  CHECK(p.s.gpr[RAX] == 0xabcd03f8);
}

TEST_CASE("REP OUTS writes each element and can be interrupted after each") {
  Program p;
  p.s.gpr[RDX] = 0x3f8;
  p.s.gpr[RCX] = 3;
  p.s.gpr[RSI] = Program::kDataAt;
  p.put(Program::kDataAt, 0x030201);
  p.code({0xf3, 0x6e, 0xf4});
  CHECK(p.core.run({}) == Stop::SliceEnd);
  CHECK(p.s.gpr[RCX] == 2);
  CHECK(p.s.rip == Program::kCode);
  p.run_to_halt();
  CHECK(p.env.io_writes == std::vector<u64>{1, 2, 3});
  CHECK(p.count(Count::Instructions) == 2);
}

TEST_CASE("segment bases of FS and GS apply in 64-bit code, others do not") {
  Program p;
  p.s.seg[GS].base = Program::kDataAt;
  p.s.seg[DS].base = 0x5000;
  p.s.gpr[RBX] = 0x10;
  p.put(Program::kDataAt + 0x10, 0x77);
  p.put(0x10, 0x66);
  p.code({0x65, 0x48, 0x8b, 0x03, 0x48, 0x8b, 0x0b, 0xf4});
  p.run_to_halt();
  CHECK(p.s.gpr[RAX] == 0x77);
  CHECK(p.s.gpr[RCX] == 0x66);
}

}  // namespace pmusim::core::test
