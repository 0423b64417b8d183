// SPDX-License-Identifier: Apache-2.0
// Code of other modes than flat 64-bit: the path of a multiprocessor start-up from real mode to long mode,
// rings, and guest mode.
#include <doctest/doctest.h>

#include "program.h"

namespace pmusim::core::test {

TEST_CASE("a start-up trampoline goes from real mode through protected mode to long mode") {
  Program p;  // leaves identity page tables behind
  reset(p.s);
  p.s.seg[CS].base = p.s.seg[CS].selector = 0;
  p.core.set_state(&p.s);
  p.s.rip = 0x3000;
  p.put(0x3100, kGdtEnd - 1, 2);
  p.put(0x3102, Machine::kGdt, 4);
  p.code({0x0f, 0x20, 0xc0,                                 // mov eax, cr0
          0x66, 0x83, 0xc8, 0x01,                           // or eax, 1
          0x0f, 0x22, 0xc0,                                 // mov cr0, eax
          0x66, 0x0f, 0x01, 0x16, 0x00, 0x31,               // lgdt [0x3100]
          0x66, 0xea, 0x00, 0x50, 0,    0,    kCode32, 0},  // jmp far kCode32:0x5000
         0x3000);
  p.code(
      {0xb8, kData, 0,    0,    0,    0x8e,    0xd8, 0x8e, 0xd0,  // mov eax, kData; mov ds, eax; mov ss, eax
       0xbc, 0x00,  0x80, 0,    0,                                // mov esp, 0x8000
       0x60, 0x61,                                                // pusha; popa
       0xb8, 0x20,  0,    0,    0,    0x0f,    0x22, 0xe0,        // cr4 = PAE
       0xb8, 0,     0,    1,    0,    0x0f,    0x22, 0xd8,        // cr3 = 0x10000
       0xb9, 0x80,  0,    0,    0xc0, 0x0f,    0x32,              // rdmsr EFER
       0x0d, 0,     1,    0,    0,    0x0f,    0x30,              // LME
       0x0f, 0x20,  0xc0, 0x0d, 0,    0,       0,    0x80, 0x0f, 0x22, 0xc0,  // paging on
       0xea, 0x00,  0x60, 0,    0,    kCode64, 0},                            // jmp far kCode64:0x6000
      0x5000);
  p.code({0x48, 0xb8, 8, 7, 6, 5, 4, 3, 2, 1, 0xf4}, 0x6000);
  p.run_to_halt();
  CHECK(p.s.gpr[RAX] == 0x0102030405060708);
  CHECK(p.s.code64());
  CHECK(p.count(Count::Instructions) == 25);
  CHECK(p.count(Count::FarBranch) == 2);
}

TEST_CASE("16-bit code wraps offsets at 64 KiB and adds segment bases") {
  Program p;
  reset(p.s);
  p.s.seg[CS].base = 0x20000;
  p.s.seg[DS].base = 0x30000;
  p.core.set_state(&p.s);
  p.s.rip = 0x100;
  p.s.gpr[RBX] = 0xffff;
  p.s.gpr[RSI] = 0x11;
  p.put(0x30010, 0xbeef, 2);
  p.code({0x8b, 0x00, 0xe9, 0xf8, 0xfe}, 0x20100);  // mov ax, [bx + si]; jmp to 0x105 - 0x108 = 0xfffd
  p.code({0xf4}, 0x2fffd);
  p.run_to_halt();
  CHECK((p.s.gpr[RAX] & 0xffff) == 0xbeef);
  CHECK(p.s.rip == 0xfffe);
}

TEST_CASE("instructions and time of user code count in the user context, INT included") {
  Program p;
  p.config.costs.cycles[static_cast<unsigned>(Cost::Exception)] = 50;
  p.start();
  p.load_tss();
  p.put(Machine::kTssAt + 4, Machine::kInnerStack);
  p.gate64(0x80, kCode64, 0x110000, 0xee);
  p.code({0x90, 0x90, 0x90, 0xf4}, 0x110000);
  p.code({0x90, 0xcd, 0x80});
  p.user();
  p.run_to_halt();
  const CountVector& user = p.core.counts()[context_of(World::Host, true)];
  const CountVector& kernel = p.core.counts()[context_of(World::Host, false)];
  CHECK(user[static_cast<unsigned>(Count::Instructions)] == 2);
  CHECK(user[static_cast<unsigned>(Count::FarBranch)] == 1);
  CHECK(kernel[static_cast<unsigned>(Count::Instructions)] == 4);
  CHECK(user[static_cast<unsigned>(Count::Cycles)] == 51);  // the NOP's cycle, then the delivery
  CHECK(kernel[static_cast<unsigned>(Count::Cycles)] == p.timing.cycle() - 51);
}

TEST_CASE("in guest mode an intercepted exception exits before it changes CR2") {
  Program p;
  FakeIntercepts intercepts;
  intercepts.all = true;
  p.core.set_world(World::Guest, nullptr, &intercepts, 1);
  p.s.cr2 = 0x1234;
  p.code({0x90, 0x8b, 0x04, 0x25, 0, 0, 0x50, 0, 0xf4});  // nop; mov eax, [0x500000]
  CHECK(p.core.run({}) == Stop::VmExit);
  const VmExit& e = p.core.exit();
  CHECK(e.kind == ExitKind::Exception);
  CHECK(e.qualification == kPF);
  CHECK(e.guest_linear == 0x500000);
  CHECK(p.s.cr2 == 0x1234);
  CHECK(p.s.rip == Program::kCode + 1);
  CHECK(p.core.counts()[context_of(World::Guest, false)][static_cast<unsigned>(Count::Instructions)] == 1);
}

TEST_CASE("an intercepted instruction exits with its length and does not count") {
  Program p;
  FakeIntercepts intercepts;
  intercepts.all = true;
  p.core.set_world(World::Guest, nullptr, &intercepts, 1);
  p.code({0x90, 0x0f, 0xa2, 0xf4});
  CHECK(p.core.run({}) == Stop::VmExit);
  CHECK(p.core.exit().kind == ExitKind::Cpuid);
  CHECK(p.core.exit().instruction_length == 2);
  CHECK(p.s.rip == Program::kCode + 1);
  CHECK(p.count(Count::Instructions) == 1);
}

TEST_CASE("a fault that cannot be delivered is a shutdown, in guest mode a triple-fault exit") {
  Program p;
  p.s.idtr.limit = 0;
  p.code({0x0f, 0x0b});
  SUBCASE("outside guest mode") {
    CHECK(p.core.run({}) == Stop::Shutdown);
    CHECK(p.s.activity == Activity::Shutdown);
  }
  SUBCASE("in guest mode") {
    FakeIntercepts intercepts;
    p.core.set_world(World::Guest, nullptr, &intercepts, 1);
    CHECK(p.core.run({}) == Stop::VmExit);
    CHECK(p.core.exit().kind == ExitKind::TripleFault);
  }
}

TEST_CASE(
    "an interrupt between iterations of REP pushes RF and the instruction's address, and the rest "
    "completes") {
  Program p;
  p.gate64(0x30, kCode64, 0x110000);
  p.code({0x48, 0xcf}, 0x110000);
  p.code({0xf3, 0xaa, 0xf4});
  p.s.gpr[RCX] = 50;
  p.s.gpr[RDI] = Program::kDataAt;
  CHECK(p.run(20) == Stop::Limit);
  CHECK(p.core.deliver(event(0x30, EventType::ExternalInterrupt)) == Stop::SliceEnd);
  CHECK(p.get(p.s.gpr[RSP]) == Program::kCode);
  CHECK((p.get(p.s.gpr[RSP] + 16) & kRF) != 0);
  p.run_to_halt();
  CHECK(p.s.gpr[RCX] == 0);
  CHECK(p.count(Count::Stores) == 50);
  CHECK(p.count(Count::Instructions) == 3);
}

// SDM Vol. 2, "VEX Prefix": not recognized in real-address mode, where C4H with a register operand is LES.
TEST_CASE("instructions with a VEX prefix are undefined in real mode and work in 16-bit protected mode") {
  for (const bool real : {true, false}) {
    Program m;
    m.s = CpuState{};
    reset(m.s);
    m.build_gdt();
    if (!real) {
      m.protected_mode();
      m.s.seg[CS].access &= ~(1u << 14);
    }
    m.s.seg[CS].base = 0;
    m.s.idtr = {0x1000, 0x3ff};
    m.put(0x1000 + kUD * 4, 0x7000, 4);
    m.put(0x7000, 0xf4, 1);
    m.code({0xc4, 0xe2, 0x60, 0xf2, 0xc1, 0xf4}, 0x5000);  // andn eax,ebx,ecx; hlt
    m.s.gpr[RBX] = 0xf0;
    m.s.gpr[RCX] = 0xff;
    m.s.gpr[RSP] = 0x8000;
    m.start(0x5000);
    m.run_to_halt();
    CHECK(m.s.rip == (real ? 0x7001 : 0x5006));
    CHECK(m.s.gpr[RAX] == (real ? 0 : 0x0f));
  }
}

TEST_CASE("the last branches are kept with source and target") {
  Program p;
  p.code({0xe8, 1, 0, 0, 0, 0xf4, 0xc3});  // call +1; hlt; ret
  p.run_to_halt();
  const auto branches = p.core.last_branches();
  REQUIRE(branches.size() == 2);
  CHECK(branches[0].from == Program::kCode);
  CHECK(branches[0].to == Program::kCode + 6);
  CHECK(branches[1].from == Program::kCode + 6);
  CHECK(branches[1].to == Program::kCode + 5);
}

}  // namespace pmusim::core::test
