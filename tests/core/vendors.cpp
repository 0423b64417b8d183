// SPDX-License-Identifier: Apache-2.0
// What instructions do differently on CPUs of the two vendors, each row of docs/vendors.md a test: both sides
// hold on every host. Sources stand in that table.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "tests/support/paths.h"
#include "user_program.h"

namespace pmusim::core::test {
namespace {

constexpr u64 kAbsent = 0x7fff0000;  // not mapped
constexpr u64 kPageEnd = 0x302000;   // of the last page that may be written

// A program on that vendor's CPU.
template <class P = UserProgram>
struct On : P {
  explicit On(bool amd) {
    this->config.amd = amd;
    this->s.cr4 |= kCr4Osfxsr;
    this->map(kPageEnd, kPageEnd, Program::kP | Program::kU);
  }
  u64 frame(unsigned word) const { return this->get(this->s.gpr[RSP] + 8 * word); }  // of a fault
};
using InCompat = CompatProgram;

// Of IRET; far RET takes the first two.
void put_frame(Machine& m, u64 at, u64 rip, u16 cs, u64 flags, u64 rsp, u16 ss) {
  const u64 frame[] = {rip, cs, flags, rsp, ss};
  for (unsigned n = 0; n < 5; ++n) m.put(at + 8 * n, frame[n]);
}

}  // namespace

TEST_CASE("an x87 store that an unmasked exception keeps from storing faults for its operand on AMD alone") {
  for (const bool amd : {false, true}) {
    // fst dword, fst qword, fstp tbyte, fbstp, fist word, fistp qword [rbx]
    for (const std::vector<u8>& store : {std::vector<u8>{0xd9, 0x13},
                                         {0xdd, 0x13},
                                         {0xdb, 0x3b},
                                         {0xdf, 0x33},
                                         {0xdf, 0x13},
                                         {0xdf, 0x3b}}) {
      On p(amd);
      p.s.fpu.control = kFcwInit & ~kFpInvalid;
      p.s.fpu.tags = 0;  // a stack underflow
      p.s.gpr[RBX] = kAbsent;
      CHECK(p.vector_of(store) == (amd ? int{kPF} : -1));
      CHECK(bool(p.s.fpu.status & kFswSummary) == !amd);
    }
  }
}
TEST_CASE("an x87 store of 10 bytes that faults in its last two has stored the first eight on Intel") {
  for (const bool amd : {false, true}) {
    for (const std::vector<u8>& store :
         {std::vector<u8>{0xdb, 0x3b}, {0xdf, 0x33}}) {  // fstp tbyte, fbstp [rbx]
      On p(amd);
      p.s.fpu.control = kFcwInit;
      p.s.fpu.tags = 1;
      p.s.fpu.r[0] = {u64{1} << 63, 0x3fff};  // 1
      p.s.gpr[RBX] = kPageEnd - 8;
      CHECK(p.vector_of(store) == kPF);
      CHECK(p.s.cr2 == kPageEnd);
      CHECK(bool(p.get(kPageEnd - 8)) == !amd);
      CHECK(p.s.fpu.tags == 1);
    }
  }
}

TEST_CASE("an MMX store that faults has set TOP to 0 on Intel, and left the tags") {
  for (const bool amd : {false, true}) {
    On p(amd);
    p.s.fpu.set_top(5);
    p.s.fpu.tags = 0x11;
    p.s.gpr[RBX] = kAbsent;
    CHECK(p.vector_of({0x0f, 0x7f, 0x03}) == kPF);  // movq [rbx], mm0
    CHECK(p.s.fpu.top() == (amd ? 5 : 0));
    CHECK(p.s.fpu.tags == 0x11);
  }
}
// AMD's side is not observed.
TEST_CASE("a conversion to MMX that ends in a SIMD exception has made the transition on Intel") {
  for (const bool amd : {false, true}) {
    On p(amd);
    p.s.cr4 |= kCr4Osxmmexcpt;
    p.s.fpu.mxcsr = kMxcsrReset & ~(kFpInvalid << kMxcsrMaskShift);
    p.s.fpu.xmm[0][0] = 0x7f8000007f800000;  // infinities
    p.s.fpu.set_top(5);
    CHECK(p.vector_of({0x0f, 0x2d, 0xc0}) == kXM);  // cvtps2pi mm0, xmm0
    CHECK(p.s.fpu.top() == (amd ? 5 : 0));
    CHECK(p.s.fpu.tags == 0xff);
  }
}

TEST_CASE("a selector pushed in 32-bit code is written as 16 bits on Intel and as 32 on AMD") {
  for (const bool amd : {false, true}) {
    On<InCompat> p(amd);
    p.put(0x200000 + 0x7ffc, 0x5a5a5a5a, 4);
    CHECK(p.vector_of({0x06}) == -1);  // push es
    CHECK(p.s.gpr[RSP] == 0x7ffc);
    CHECK(p.get(0x200000 + 0x7ffc, 4) == (amd ? 0u : 0x5a5a0000u | 0) + (kUserData | 3));
  }
}
TEST_CASE("a selector popped in 32-bit code is read as 16 bits on Intel and as 32 on AMD") {
  for (const bool amd : {false, true}) {
    On<InCompat> p(amd);
    p.s.gpr[RSP] = 0xfffe;                                // two bytes below the limit
    CHECK(p.vector_of({0x07}) == (amd ? int{kSS} : -1));  // pop es
    if (!amd) CHECK(p.s.gpr[RSP] == 0x10002);
  }
}

TEST_CASE("with REX.W a far pointer has a 64-bit offset on Intel and a 32-bit one on AMD") {
  for (const bool amd : {false, true}) {
    On p(amd);
    p.put(Program::kDataAt, u64{0x5566} | u64{kUserData | 3} << 32);
    p.put(Program::kDataAt + 8, kUserData | 3);
    p.s.gpr[RBX] = Program::kDataAt;
    p.vector_of({0x48, 0x0f, 0xb2, 0x03});  // lss rax, [rbx]
    CHECK(p.s.gpr[RAX] == (amd ? 0x5566 : 0x5566 | u64{kUserData | 3} << 32));
  }
}
TEST_CASE("a 64-bit offset into 32-bit code is cut on Intel and beyond the limit on AMD") {
  for (const bool amd : {false, true}) {
    constexpr u64 offset = 0x12'0010'2000;
    On ret(amd);
    put_frame(ret, Machine::kStack, offset, kUserCode32 | 3, kFixed1, Machine::kStack, kUserData | 3);
    CHECK(ret.vector_of({0x48, 0xcb}) == (amd ? int{kGP} : -1));
    if (!amd) CHECK(ret.s.rip == 0x102000);
    On iret(amd);
    put_frame(iret, Machine::kStack, offset, kUserCode32 | 3, kFixed1, Machine::kStack, kUserData | 3);
    CHECK(iret.vector_of({0x48, 0xcf}) == (amd ? int{kGP} : -1));
    if (!amd) CHECK(iret.s.rip == 0x102000);
  }
  for (const u8 modrm : {0x2b, 0x1b}) {  // jmp, call far [rbx], with a 64-bit offset on Intel alone
    On p(false);
    p.put(Program::kDataAt, 0x12'0010'2000);
    p.put(Program::kDataAt + 8, kUserCode32 | 3);
    p.s.gpr[RBX] = Program::kDataAt;
    CHECK(p.vector_of({0x48, 0xff, modrm}) == -1);
    CHECK(p.s.rip == 0x102000);
  }
}

TEST_CASE("REX.B before PAUSE makes it XCHG R8, RAX on AMD alone") {
  for (const bool amd : {false, true}) {
    On p(amd);
    p.s.gpr[RAX] = 1;
    p.s.gpr[R8] = 2;
    p.vector_of({0xf3, 0x49, 0x90});
    CHECK(p.s.gpr[RAX] == (amd ? 2 : 1));
    CHECK(p.s.gpr[R8] == (amd ? 1 : 2));
  }
}

namespace {

// Three bytes to compare before a page that is not there.
struct Scan : On<> {
  explicit Scan(bool amd) : On<>(amd) {
    map(kPageEnd, 0, 0);
    put(kPageEnd - 3, 0x010203, 3);
    s.gpr[RDI] = kPageEnd - 3;
    s.gpr[RCX] = 9;
    s.gpr[RAX] = 0xff;
    s.rflags |= kZF | kCF | kOFlag;
  }
  u64 flags_pushed() const { return frame(3) & kArithmeticFlags; }
};
constexpr u64 kBefore = kZF | kCF | kOFlag, kCompared = kSF;  // 0xff - 0x01

}  // namespace

TEST_CASE("a repeated comparison that faults pushes the flags from before it on Intel") {
  for (const bool amd : {false, true}) {
    Scan p(amd);
    CHECK(p.vector_of({0xf2, 0xae}, 100) == kPF);  // repne scasb
    CHECK(p.flags_pushed() == (amd ? kCompared : kBefore));
    CHECK(p.s.gpr[RCX] == 6);
    Scan equal(amd);
    equal.put(kPageEnd - 3, 0xffffff, 3);
    equal.s.rflags &= ~kZF;
    CHECK(equal.vector_of({0xf3, 0xae}, 100) == kPF);  // repe scasb
    CHECK(equal.flags_pushed() == (amd ? kZF | kPFlag : kCF | kOFlag));
    Scan both(amd);
    both.s.gpr[RSI] = Program::kDataAt;
    CHECK(both.vector_of({0xf2, 0xa6}, 100) == kPF);                           // repne cmpsb
    CHECK(both.flags_pushed() == (amd ? kCF | kAF | kSF | kPFlag : kBefore));  // 0 - 0x01
  }
}
TEST_CASE(
    "a fault of another instruction leaves the flags, though a repeated comparison was cut short before") {
  Scan p(false);
  p.code({0xf2, 0xae});
  p.start();
  p.run(2);
  p.code({0x0f, 0x0b});  // another CPU has written ud2 there
  p.core.code_written(0);
  p.start();
  p.run(1);
  CHECK(p.s.rip == kHandler + kUD * 16);
  CHECK((p.frame(2) & kArithmeticFlags) == kSF);  // 0xff - 0x02
}
TEST_CASE(
    "a repeated comparison pushes the same flags in a fault when it was executed an iteration at a time") {
  Scan p(false);
  p.code({0xf2, 0xae});
  p.start();
  for (int n = 0; n < 4; ++n) p.run(1);
  CHECK(p.s.cpl == 0);
  CHECK(p.flags_pushed() == kBefore);
}
TEST_CASE("a repeated comparison that an interrupt left goes on with the flags of its last iteration") {
  Scan p(false);
  p.code({0xf2, 0xae});
  p.code({0x48, 0xcf}, kHandler + 0x80 * 16);  // iretq
  p.gate64(0x80, kCode64, kHandler + 0x80 * 16);
  p.start();
  p.run(2);
  PendingEvent interrupt;
  interrupt.type = EventType::ExternalInterrupt;
  interrupt.vector = 0x80;
  p.core.deliver(interrupt);
  for (int n = 0; n < 5 && p.s.rip != kHandler + kPF * 16; ++n) p.run(1);
  CHECK(p.s.rip == kHandler + kPF * 16);
  CHECK(p.flags_pushed() == kSF);  // 0xff - 0x02
}

TEST_CASE(
    "with 32-bit addresses REP clears the upper halves of its registers on Intel, even without iterations") {
  struct Case {
    u8 opcode;
    bool rsi, rdi;  // cleared beside RCX
  };
  constexpr u64 high = u64{5} << 32;
  for (const Case& c :
       {Case{0xa4, true, true}, {0xaa, false, true}, {0xac, false, false}, {0xa6, false, false}})
    for (const bool amd : {false, true}) {
      On p(amd);
      p.s.gpr[RCX] = high;
      p.s.gpr[RSI] = high | 1;
      p.s.gpr[RDI] = high | 2;
      CHECK(p.vector_of({0x67, 0xf3, c.opcode}) == -1);
      CHECK(p.s.gpr[RCX] == (amd ? high : 0));
      CHECK(p.s.gpr[RSI] == (!amd && c.rsi ? 1 : high | 1));
      CHECK(p.s.gpr[RDI] == (!amd && c.rdi ? 2 : high | 2));
    }
}

TEST_CASE("MOVSXD to 16 bits reads 16 bits on Intel and 32 on AMD") {
  for (const bool amd : {false, true}) {
    On p(amd);
    p.map(kPageEnd, 0, 0);
    p.put(kPageEnd - 2, 0x8001, 2);
    p.s.gpr[RBX] = kPageEnd - 2;
    CHECK(p.vector_of({0x66, 0x63, 0x03}) == (amd ? int{kPF} : -1));  // movsxd ax, [rbx]
    CHECK(p.s.gpr[RAX] == (amd ? 0 : 0x8001));
  }
}

TEST_CASE("BOUND below its lower bound does not look at the upper one on Intel") {
  for (const bool amd : {false, true}) {
    On<InCompat> p(amd);
    p.map(kPageEnd, 0, 0);
    p.s.seg[DS].base = kPageEnd - 0x1000;
    p.put(kPageEnd - 4, 7, 4);
    p.s.gpr[RBX] = 0xffc;  // the upper bound is on the page that is not there
    p.s.gpr[RAX] = 6;
    CHECK(p.vector_of({0x62, 0x03}) == (amd ? int{kPF} : int{kBR}));  // bound eax, [ebx]
  }
}

TEST_CASE("the AC flag that IRET pops checks what it pops next on Intel") {
  for (const bool amd : {false, true}) {
    On p(amd);
    p.s.cr0 |= kCr0Am;
    p.s.gpr[RSP] = Machine::kStack + 2;
    put_frame(p, Machine::kStack + 2, 0x102000, kUserCode64 | 3, kFixed1 | kACFlag, Machine::kStack,
              kUserData | 3);
    CHECK(p.vector_of({0x48, 0xcf}) == (amd ? -1 : int{kAC}));
    if (amd) continue;
    CHECK((p.frame(3) & kACFlag) == 0);  // the flags are those before
    CHECK(p.frame(4) == Machine::kStack + 2);
  }
}
TEST_CASE("IRET checks the new stack before the offset on Intel and after it on AMD") {
  for (const bool amd : {false, true}) {
    On p(amd);
    p.segments(kCode64, kData);
    p.s.gpr[RSP] = Machine::kStack;
    put_frame(p, Machine::kStack, 0x5000, kShortCode, kFixed1, Machine::kStack, kReadOnly);
    p.code({0x48, 0xcf});
    p.start();
    p.run(1);
    CHECK(p.s.rip == kHandler + kGP * 16);
    CHECK(p.frame(0) == (amd ? 0u : u64{kReadOnly}));  // the error code
  }
}
TEST_CASE("a return to an outer level makes null selectors 0 on Intel") {
  for (const bool amd : {false, true}) {
    On p(amd);
    p.segments(kCode64, kData);
    p.s.seg[ES] = {0, 0, 0x10000, 1};
    p.s.seg[FS] = {0x1234, 0, 0x10000, 2};
    p.s.gpr[RSP] = Machine::kStack;
    put_frame(p, Machine::kStack, 0x102000, kUserCode64 | 3, kFixed1, Machine::kStack, kUserData | 3);
    p.code({0x48, 0xcf});
    p.start();
    p.run(1);
    CHECK(p.s.cpl == 3);
    CHECK(p.s.seg[ES].selector == (amd ? 1 : 0));
    CHECK(p.s.seg[FS].selector == (amd ? 2 : 0));
    CHECK(p.s.seg[FS].base == 0x1234);
  }
}

TEST_CASE("an operand-size prefix before a near branch of 64-bit code makes it a 16-bit one on AMD alone") {
  for (const bool amd : {false, true}) {
    On p(amd);
    p.vector_of({0x66, 0xe9, 0x10, 0, 0, 0});
    CHECK(p.s.rip == (amd ? (Program::kCode + 4 + 0x10) & 0xffff : Program::kCode + 6 + 0x10));
    On call(amd);
    call.vector_of({0x66, 0xe8, 0x10, 0, 0, 0});
    CHECK(call.s.gpr[RSP] == Machine::kStack - (amd ? 2 : 8));
    On ret(amd);
    ret.put(Machine::kStack, 0x102000);
    ret.vector_of({0x66, 0xc3});
    CHECK(ret.s.gpr[RSP] == Machine::kStack + (amd ? 2 : 8));
    CHECK(ret.s.rip == (amd ? 0x2000 : 0x102000));
    // jmp, jz, loop, jrcxz
    for (const std::vector<u8>& shorts :
         {std::vector<u8>{0x66, 0xeb, 0x10}, {0x66, 0x74, 0x10}, {0x66, 0xe2, 0x10}, {0x66, 0xe3, 0x10}}) {
      On taken(amd);
      taken.s.gpr[RCX] = shorts[1] == 0xe2 ? 2 : 0;
      taken.s.rflags |= kZF;
      taken.vector_of(shorts);
      CHECK(taken.s.rip == (amd ? 0x13 : Program::kCode + 3 + 0x10));
    }
    for (const u8 modrm : {0xe3, 0xd3}) {  // jmp rbx, call rbx
      On indirect(amd);
      indirect.s.gpr[RBX] = 0x102000;
      indirect.vector_of({0x66, 0xff, modrm});
      CHECK(indirect.s.rip == (amd ? 0x2000 : 0x102000));
      On wide(amd);
      wide.s.gpr[RBX] = 0x102000;
      wide.vector_of({0x66, 0x48, 0xff, modrm});  // REX.W wins
      CHECK(wide.s.rip == 0x102000);
    }
  }
}

TEST_CASE("PREFETCHW with a register is undefined on AMD and does nothing on Intel") {
  for (const bool amd : {false, true}) {
    On p(amd);
    CHECK(p.vector_of({0x0f, 0x0d, 0xc8}) == (amd ? int{kUD} : -1));
  }
}

TEST_CASE("FXSAVE stores the x87 pointers always on Intel, and where an exception is pending on AMD") {
  for (const bool amd : {false, true})
    for (const bool pending : {false, true}) {
      On p(amd);
      p.s.fpu.instruction = 0x1234;
      p.s.fpu.status = pending ? kFswSummary | kFpInvalid : 0;
      p.s.gpr[RBX] = Program::kDataAt;
      CHECK(p.vector_of({0x48, 0x0f, 0xae, 0x03}) == -1);  // fxsave64 [rbx]
      CHECK(p.get(Program::kDataAt + 8) == (amd && !pending ? 0 : 0x1234));
    }
}

TEST_CASE("SYSRET to an address that is not canonical faults at CPL 0 on Intel and at CPL 3 on AMD") {
  for (const bool amd : {false, true}) {
    On p(amd);
    p.segments(kCode64, kData);
    p.s.star = u64{(kUserCode64 - 16) | 3} << 48;
    p.s.gpr[RCX] = u64{1} << 47;
    p.code({0x48, 0x0f, 0x07});
    p.start();
    for (int n = 0; n < 2 && p.s.rip != kHandler + kGP * 16; ++n) p.run(1);
    CHECK(p.s.rip == kHandler + kGP * 16);
    CHECK((p.frame(2) & 3) == (amd ? 3 : 0));  // the CS that was left, above error code and RIP
  }
}

// A row of the table is true while its test is.
TEST_CASE("every test that docs/vendors.md names is there") {
  std::string tests;
  for (const auto& entry : std::filesystem::directory_iterator(pmusim::test::source("tests/core"))) {
    if (!entry.is_regular_file()) continue;
    std::ifstream file(entry.path());
    tests.append(std::istreambuf_iterator<char>(file), {});
  }
  std::ifstream document(pmusim::test::source("docs/vendors.md"));
  unsigned rows = 0;
  for (std::string line; std::getline(document, line);) {
    if (line.compare(0, 2, "| ") != 0 || line.find("| test |") != std::string::npos) continue;
    const std::size_t end = line.rfind(" |"), begin = line.rfind("| ", end - 1) + 2;
    const std::string name = line.substr(begin, end - begin);
    CHECK_MESSAGE(tests.find("\"" + name + "\"") != std::string::npos, name);
    ++rows;
  }
  CHECK(rows > 20);
}

}  // namespace pmusim::core::test
