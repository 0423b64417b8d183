// SPDX-License-Identifier: Apache-2.0
// What the tests' assembler adds to the encoder: branches, labels, sequences. Expected bytes: SDM Vol. 2.
#include "tests/support/assembler.h"

#include <doctest/doctest.h>

#include <stdexcept>

using namespace pmusim;
using namespace pmusim::test;

using Bytes = std::vector<u8>;

TEST_CASE("a branch to an address is short as far as a byte reaches and near beyond it") {
  for (const u32 padding : {125u, 126u, 127u}) {  // and 2 bytes of the branch itself
    Assembler a(0x100000);
    a.data(0, padding).jnz(0x100000);
    const Bytes tail(a.bytes().begin() + padding, a.bytes().end());
    CAPTURE(padding);
    if (padding < 127)
      CHECK(tail == Bytes{0x75, static_cast<u8>(-static_cast<int>(padding) - 2)});
    else
      CHECK(tail == Bytes{0x0f, 0x85, 0x7b, 0xff, 0xff, 0xff});  // -127 - 6
  }
}

TEST_CASE("a label is known where it is bound, to branches and as a number") {
  Assembler a(0x100000);
  const Label end = a.label(), other = a.label();
  a.jz(end).mov(edi, end).jmp(other).nop().bind(end).bind(other);
  CHECK(a.bytes() == Bytes{0x0f, 0x84, 11, 0, 0, 0, 0xbf, 0x11, 0, 0x10, 0, 0xe9, 1, 0, 0, 0, 0x90});
}

TEST_CASE("a label that is used and not bound is an error, and so is one used behind its place") {
  Assembler a(0x100000);
  const Label label = a.label();
  a.jmp(label);
  CHECK_THROWS_AS(a.bytes(), std::logic_error);
  a.bind(label);
  CHECK_NOTHROW(a.bytes());
  CHECK_THROWS_AS(a.jmp(label), std::logic_error);
}

TEST_CASE("a number is as wide as its destination, and what does not fit is refused") {
  Assembler a(0x100000, Assembler::Mode::Long);
  a.mov(eax, 0xfffffffeu).add(rax, -2).cmp(bl, 0xfe);
  CHECK(a.bytes() == Bytes{0xb8, 0xfe, 0xff, 0xff, 0xff, 0x48, 0x83, 0xc0, 0xfe, 0x80, 0xfb, 0xfe});
  CHECK_THROWS_AS(a.add(rax, 0x100000000), std::logic_error);
}

TEST_CASE("the same instruction is encoded for the mode the code runs in") {
  Assembler a(0x8000, Assembler::Mode::Real);
  a.mov(ax, 1).jmp_far(8, 0x100000).mode(Assembler::Mode::Protected).mov(ax, 1);
  a.mode(Assembler::Mode::Long).push(rbx).mov(dword(0xfee000b0), eax);
  CHECK(a.bytes() == Bytes{0xb8, 1, 0, 0x66, 0xea, 0,    0,    0x10, 0, 8,    0,   0x66,
                           0xb8, 1, 0, 0x53, 0x89, 0x04, 0x25, 0xb0, 0, 0xe0, 0xfe});
}
