// SPDX-License-Identifier: Apache-2.0
// What running the same states on a host CPU (tests/silicon) has found wrong, one test each, with the
// manual's place. They hold on every host. The quotations of ENTER and CLFLUSH were compared with copies of
// the SDM's pages; the other places are unverified.
#include <doctest/doctest.h>

#include "user_program.h"

namespace pmusim::core::test {
namespace {

constexpr u64 kNonCanonical = 0x1234000000000000;

}  // namespace

// SDM Vol. 3, "Interrupt 12": a reference to a non-canonical address in the stack segment.
TEST_CASE("a non-canonical address relative to RBP or RSP is a stack fault") {
  UserProgram p;
  p.s.gpr[RBP] = kNonCanonical;
  CHECK(p.vector_of({0x48, 0x8b, 0x45, 0x00}) == kSS);  // mov rax, [rbp]
}
TEST_CASE("a non-canonical address relative to another register is a general-protection fault") {
  UserProgram p;
  p.s.gpr[RBX] = kNonCanonical;
  CHECK(p.vector_of({0x48, 0x8b, 0x03}) == kGP);  // mov rax, [rbx]
}
TEST_CASE("PUSH to a non-canonical stack is a stack fault") {
  UserProgram p;
  p.s.gpr[RSP] = kNonCanonical;
  CHECK(p.vector_of({0x50}) == kSS);
}
TEST_CASE("PUSH from a non-canonical operand is a general-protection fault, the stack is not the reason") {
  UserProgram p;
  p.s.gpr[RBX] = kNonCanonical;
  CHECK(p.vector_of({0xff, 0x33}) == kGP);  // push [rbx]
}

// SDM Vol. 2, LMSW, LLDT, LTR: "#GP(0) if the current privilege level is not 0", whatever the operand.
TEST_CASE("LMSW, LLDT and LTR are refused at CPL 3 before their operand is read") {
  for (const std::vector<u8>& bytes :
       {std::vector<u8>{0x0f, 0x01, 0x33}, {0x0f, 0x00, 0x13}, {0x0f, 0x00, 0x1b}}) {
    UserProgram p;
    p.s.gpr[RBX] = 0x7fff0000;  // not mapped
    CHECK(p.vector_of(bytes) == kGP);
  }
}

// SDM Vol. 2, ENTER, #PF: "if a write using the final value of the stack pointer (within the current stack
// segment) would cause a page fault".
TEST_CASE("ENTER faults when its new top of stack cannot be written") {
  UserProgram p;
  p.map(0x7000, 0x7000, Program::kP | Program::kU);
  p.s.gpr[RSP] = 0x8100;
  CHECK(p.vector_of({0xc8, 0x00, 0x02, 0x00}) == kPF);  // enter 0x200, 0
  CHECK(p.s.cr2 == 0x8100 - 8 - 0x200);
}
TEST_CASE("ENTER does not touch what it allocates") {
  UserProgram p;
  p.s.gpr[RSP] = 0x8100;
  p.put(0x8100 - 8 - 0x80, 0x1122334455667788);
  CHECK(p.vector_of({0xc8, 0x80, 0x00, 0x00}) == -1);
  CHECK(p.get(0x8100 - 8 - 0x80) == 0x1122334455667788);
}

// SDM Vol. 2, Table 2-3: with mod 0, a SIB base of 5 is a displacement, whatever REX.B.
TEST_CASE("a SIB byte without base stays without base under REX.B and an address-size prefix") {
  UserProgram p;
  p.put(Program::kDataAt, 0x1234);
  p.s.gpr[R13] = 0x5000;
  p.vector_of({0x67, 0x49, 0x8b, 0x04, 0x25, 0x00, 0x00, 0x20, 0x00});  // mov rax, [kDataAt]
  CHECK(p.s.gpr[RAX] == 0x1234);
}

// SDM Vol. 3, "Protected-Mode I/O": permission is checked before the memory operand is reached.
TEST_CASE("string I/O without permission is refused before its memory operand is reached") {
  for (const u8 opcode : {0x6c, 0x6e}) {
    UserProgram p;
    p.s.gpr[RSI] = p.s.gpr[RDI] = 0x7fff0000;
    CHECK(p.vector_of({opcode}) == kGP);
  }
}

// SDM Vol. 3, "RF": it is cleared by every instruction that completes, and so in the image of a software
// interrupt.
TEST_CASE("INT3 pushes RFLAGS with RF clear") {
  UserProgram p;
  p.s.rflags |= kRF;
  CHECK(p.vector_of({0xcc}) == kBP);
  CHECK((p.get(p.s.gpr[RSP] + 16) & kRF) == 0);
}

// SDM Vol. 3, "Effects of MMX Instructions on x87 FPU State".
TEST_CASE("EMMS empties the tag word and sets TOP to 0") {
  UserProgram p;
  p.s.cr4 |= kCr4Osfxsr;
  p.s.fpu.set_top(5);
  p.s.fpu.tags = 0xff;
  p.vector_of({0x0f, 0x77});
  CHECK(p.s.fpu.top() == 0);
  CHECK(p.s.fpu.tags == 0);
}

// SDM Vol. 3, "Interrupt 17": a fault; nothing has happened.
TEST_CASE("an x87 store that fails its alignment check leaves the x87 state") {
  UserProgram p;
  p.s.cr0 |= kCr0Am;
  p.s.rflags |= kACFlag;
  p.s.fpu.control = kFcwInit;
  p.s.fpu.tags = 0;  // a stack underflow would be recorded
  p.s.gpr[RBX] = Program::kDataAt + 1;
  CHECK(p.vector_of({0xdf, 0x13}) == kAC);  // fist word [rbx]
  CHECK(p.s.fpu.status == 0);
}

// --- 16- and 32-bit code.

namespace {

constexpr u32 kReadOnlyRights = 0x40f1;

}  // namespace

// SDM Vol. 2, "CLFLUSH": "subject to all permission checking and faults associated with a byte load".
TEST_CASE("CLFLUSH checks the limit of its segment for a byte") {
  for (const auto& [offset, vector] : {std::pair{0xffffu, -1}, {0x10000u, int{kGP}}}) {
    CompatProgram p;
    p.s.gpr[RBX] = offset;
    CHECK(p.vector_of({0x0f, 0xae, 0x3b}) == vector);
  }
}

// SDM Vol. 2, "POP": RSP is incremented before the address of the destination is computed from it; a fault
// leaves it.
TEST_CASE("POP to a segment that cannot be written leaves ESP") {
  CompatProgram p;
  p.s.seg[DS].access = kReadOnlyRights;
  CHECK(p.vector_of({0x8f, 0x03}) == kGP);    // pop [ebx]
  CHECK(p.get(p.s.gpr[RSP] + 32) == 0x8000);  // in the frame
}

// SDM Vol. 2, "ARPL": the destination is written only if its RPL is below that of the source.
TEST_CASE("ARPL that changes nothing does not write") {
  for (const bool change : {false, true}) {
    CompatProgram p;
    p.s.seg[DS].access = kReadOnlyRights;
    p.put(0x200000, 2, 2);
    p.s.gpr[RBX] = 0;
    p.s.gpr[RCX] = change ? 3 : 1;
    CHECK(p.vector_of({0x63, 0x0b}) == (change ? int{kGP} : -1));  // arpl [ebx], cx
  }
}

// Observed on CPUs of both vendors; the SDM loads BP alone.
TEST_CASE("ENTER on a 16-bit stack keeps the upper half of ESP in the frame pointer") {
  CompatProgram p;
  p.s.seg[SS].access = 0x00f3;
  p.s.gpr[RSP] = 0x12348000;
  CHECK(p.vector_of({0xc8, 0, 0, 0}) == -1);
  CHECK(p.s.gpr[RBP] == 0x12347ffc);
  CHECK(p.s.gpr[RSP] == 0x12347ffc);
}

// SDM Vol. 2, "FCOMI", has it otherwise; observed on CPUs of both vendors.
TEST_CASE("FCOMI with an unmasked invalid operation sets the flags to unordered") {
  UserProgram p;
  p.s.fpu.control = kFcwInit & ~kFpInvalid;
  p.s.fpu.tags = 0;  // a stack underflow
  p.s.rflags |= kSF | kAF | kOFlag;
  CHECK(p.vector_of({0xdb, 0xf1}) == -1);  // fcomi st0, st1
  CHECK((p.s.rflags & kArithmeticFlags) == (kZF | kPFlag | kCF));
}

// SDM Vol. 2, "CVTPI2PS", has the transition; observed otherwise on Intel, and APM Vol. 5 has none.
TEST_CASE("CVTPI2PS from memory leaves the x87 state as it is") {
  UserProgram p;
  p.s.cr4 |= kCr4Osfxsr;
  p.s.fpu.set_top(5);
  p.s.fpu.tags = 0;
  p.s.gpr[RBX] = Program::kDataAt;
  CHECK(p.vector_of({0x0f, 0x2a, 0x03}) == -1);  // cvtpi2ps xmm0, [rbx]
  CHECK(p.s.fpu.top() == 5);
  CHECK(p.s.fpu.tags == 0);
}

// SDM Vol. 2, "Instruction Prefixes": 3EH is the DS override, whatever else it says to an indirect branch.
TEST_CASE("a DS override before an indirect jump is one though it says no-track as well") {
  CompatProgram p;
  p.s.seg[SS].base = 0x210000;
  p.put(0x200100, 0x123456, 4);
  p.s.gpr[RBP] = 0x100;
  p.vector_of({0x3e, 0xff, 0x65, 0x00});  // jmp ds:[ebp]
  CHECK(p.s.rip == 0x123456);
}

// SDM Vol. 2, LGDT, LIDT: "#GP(0) if the current privilege level is not 0", beside #SS(0) for the operand.
TEST_CASE("LGDT and MONITOR are refused at CPL 3 before its operand's segment is looked at") {
  CompatProgram p;
  p.s.gpr[RBP] = 0x10000;
  CHECK(p.vector_of({0x0f, 0x01, 0x55, 0x00}) == kGP);  // lgdt [ebp]
  CompatProgram q;
  q.s.gpr[RAX] = 0x10000;
  CHECK(q.vector_of({0x0f, 0x01, 0xc8}) == kUD);  // monitor
}

// SDM Vol. 2, AAA, AAS, DAA, DAS, AAM, AAD: the first example of DAA, that of DAS, and the limits of a digit.
TEST_CASE("decimal adjustments follow the manual's examples") {
  struct Case {
    std::vector<u8> bytes;
    u64 ax, flags, after, set;
  };
  for (const Case& c :
       {Case{{0x27}, 0xae, 0, 0x14, kAF | kCF},                                            // daa: 79H + 35H
        Case{{0x27}, 0x2e, 0, 0x34, kAF}, Case{{0x2f}, 0xee, kCF | kAF, 0x88, kAF | kCF},  // das: 35H - 47H
        Case{{0x27}, 0x99, 0, 0x99, 0}, Case{{0x37}, 0x0109, 0, 0x0109, 0},
        Case{{0x37}, 0x010a, 0, 0x0200, kAF | kCF}, Case{{0x3f}, 0x020a, 0, 0x0104, kAF | kCF},
        Case{{0xd4, 10}, 0x99, 0, 0x0f03, 0}, Case{{0xd5, 10}, 0x0905, 0, 0x005f, 0}}) {
    CompatProgram p;
    p.s.gpr[RAX] = c.ax;
    p.s.rflags |= c.flags;
    CHECK(p.vector_of(c.bytes) == -1);
    CHECK(p.s.gpr[RAX] == c.after);
    if (c.bytes.size() == 1) CHECK((p.s.rflags & (kAF | kCF)) == c.set);
  }
}
TEST_CASE("AAM with a base of 0 is a divide error, and all six do not exist in 64-bit mode") {
  CompatProgram p;
  CHECK(p.vector_of({0xd4, 0}) == kDE);
  for (const u8 opcode : {0x27, 0x2f, 0x37, 0x3f, 0xd4, 0xd5}) {
    UserProgram q;
    CHECK(q.vector_of({opcode, 10}) == kUD);
  }
}

TEST_CASE("a non-canonical stack is told from a memory operand of the same instruction near it") {
  UserProgram p;
  p.s.gpr[RSP] = kNonCanonical;
  p.s.gpr[RBX] = kNonCanonical - 24;
  CHECK(p.vector_of({0xff, 0x33}) == kGP);  // push [rbx]
  UserProgram q;
  q.s.gpr[RBX] = Program::kDataAt;
  q.s.gpr[RSP] = kNonCanonical;
  CHECK(q.vector_of({0xff, 0x33}) == kSS);
}

}  // namespace pmusim::core::test
