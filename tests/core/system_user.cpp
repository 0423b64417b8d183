// SPDX-License-Identifier: Apache-2.0
// SYSENTER and SYSEXIT, FS and GS base instructions, selector examination, random numbers, BOUND, and what
// instructions are without the feature that enumerates them (SDM Vol. 2 and APM Vol. 3, those instructions).
#include <doctest/doctest.h>

#include "program.h"

namespace pmusim::core::test {
namespace {

bool gp(void (*f)(Exec&), Machine& m) {
  return faults_with([&] { f(m.x); }, kGP, 0);
}

// True if `bytes` raise #UD on a CPU with `features`.
bool undefined(const std::vector<u8>& bytes, const Features& features) {
  Program p;
  p.config.features = features;
  p.s.cr4 |= kCr4Fsgsbase;
  p.start();
  p.gate64(kUD, kCode64, 0x180000);
  p.put(0x180000, 0xf4, 1);
  p.s.gpr[RSI] = Program::kDataAt;
  std::vector<u8> code = bytes;
  code.push_back(0xf4);
  p.code(code);
  p.run_to_halt();
  return p.s.rip == 0x180001;
}

}  // namespace

TEST_CASE("an instruction whose feature is not enumerated is undefined, with it it executes") {
  struct Form {
    Feature feature;
    std::vector<u8> bytes;
  };
  const Form forms[] = {
      {Feature::Bmi1, {0xc4, 0xe2, 0x60, 0xf2, 0x06}},        // andn
      {Feature::Bmi1, {0xc4, 0xe2, 0x78, 0xf3, 0x1e}},        // blsi
      {Feature::Bmi2, {0xc4, 0xe3, 0x7b, 0xf0, 0x06, 0x0d}},  // rorx
      {Feature::Adx, {0x66, 0x0f, 0x38, 0xf6, 0x06}},
      {Feature::Movbe, {0x0f, 0x38, 0xf0, 0x06}},
      {Feature::Popcnt, {0xf3, 0x0f, 0xb8, 0xc3}},
      {Feature::Cx16, {0x48, 0x0f, 0xc7, 0x0e}},
      {Feature::Rdrand, {0x0f, 0xc7, 0xf0}},
      {Feature::Rdseed, {0x0f, 0xc7, 0xf8}},
      {Feature::Fsgsbase, {0xf3, 0x48, 0x0f, 0xae, 0xc0}},
      {Feature::Clflush, {0x0f, 0xae, 0x3e}},
      {Feature::Clflushopt, {0x66, 0x0f, 0xae, 0x3e}},
      {Feature::Clwb, {0x66, 0x0f, 0xae, 0x36}},
      {Feature::Rdpid, {0xf3, 0x0f, 0xc7, 0xf8}},
      {Feature::Rdtscp, {0x0f, 0x01, 0xf9}},
      {Feature::Lahf64, {0x9f}},
      {Feature::Smap, {0x0f, 0x01, 0xca}},
  };
  for (const Form& f : forms) {
    CAPTURE(static_cast<int>(f.feature));
    Features features = Features::all();
    CHECK_FALSE(undefined(f.bytes, features));
    features.set(f.feature, false);
    CHECK(undefined(f.bytes, features));
  }
}

TEST_CASE("TZCNT's and LZCNT's encodings are BSF and BSR on a CPU without them") {
  for (const bool has : {false, true}) {
    Program p;
    if (!has) p.config.features = {};
    p.start();
    p.code({0xf3, 0x0f, 0xbc, 0xc3, 0xf3, 0x0f, 0xbd, 0xcb, 0xf4});  // tzcnt eax, ebx; lzcnt ecx, ebx
    p.s.gpr[RBX] = 0x100;
    p.run_to_halt();
    CHECK(p.s.gpr[RAX] == 8);
    CHECK(p.s.gpr[RCX] == (has ? 23 : 8));
  }
}

TEST_CASE("SYSENTER and SYSEXIT change to the segments after IA32_SYSENTER_CS and back") {
  Machine m;
  m.long_mode();
  m.s.sysenter_cs = 0x1b;
  m.s.sysenter_esp = 0xffff800000001000;
  m.s.sysenter_eip = 0xffff800000002000;
  m.user();
  m.s.rflags |= kIF;
  sysenter(m.x);
  CHECK(m.s.seg[CS].selector == 0x18);
  CHECK(m.s.seg[SS].selector == 0x20);
  CHECK(m.s.code64());
  CHECK(m.s.cpl == 0);
  CHECK(m.s.rip == 0xffff800000002000);
  CHECK(m.s.gpr[RSP] == 0xffff800000001000);
  CHECK((m.s.rflags & kIF) == 0);
  m.s.gpr[RCX] = 0x7000;
  m.s.gpr[RDX] = 0x123456789;
  sysexit(m.x, 8);
  CHECK(m.s.seg[CS].selector == (0x18 + 32 + 3));
  CHECK(m.s.seg[SS].selector == (0x18 + 40 + 3));
  CHECK(m.s.rip == 0x123456789);
  CHECK(m.s.gpr[RSP] == 0x7000);
  CHECK(m.s.cpl == 3);
  m.s.sysenter_cs = 3;
  CHECK(gp(sysenter, m));
}

TEST_CASE("SYSEXIT to 32-bit code truncates, SYSEXIT needs CPL 0 and a canonical target") {
  Machine m;
  m.long_mode();
  m.s.sysenter_cs = 8;
  m.s.gpr[RDX] = u64{1} << 47;
  CHECK(faults_with([&] { sysexit(m.x, 8); }, kGP, 0));
  m.s.gpr[RDX] = 0x100002000;
  sysexit(m.x, 4);
  CHECK(m.s.rip == 0x2000);
  CHECK(m.s.seg[CS].selector == (8 + 16 + 3));
  CHECK_FALSE(m.s.code64());
  CHECK(faults_with([&] { sysexit(m.x, 4); }, kGP, 0));
}

TEST_CASE("AMD has SYSENTER only outside long mode and SYSCALL in it too") {
  Machine m;
  m.config.amd = true;
  m.long_mode();
  m.s.sysenter_cs = 8;
  CHECK(fault_of([&] { sysenter(m.x); })->vector == kUD);
  Machine legacy;
  legacy.config.amd = true;
  legacy.protected_mode();
  legacy.user();
  legacy.s.efer = kEferSce;
  legacy.s.star = u64{0x23} << 48 | u64{0x18} << 32 | 0x4000;
  legacy.x.next_rip = 0x5002;
  legacy.s.rflags |= kIF;
  syscall(legacy.x);
  CHECK(legacy.s.rip == 0x4000);
  CHECK(legacy.s.gpr[RCX] == 0x5002);
  CHECK(legacy.s.cpl == 0);
  CHECK(legacy.s.seg[CS].big());
  CHECK((legacy.s.rflags & kIF) == 0);
  sysret(legacy.x, 4);
  CHECK(legacy.s.rip == 0x5002);
  CHECK(legacy.s.cpl == 3);
  CHECK((legacy.s.rflags & kIF) != 0);
}

TEST_CASE("WRGSBASE takes canonical addresses, and CR4.FSGSBASE must be set") {
  Program p;
  p.s.cr4 |= kCr4Fsgsbase;
  p.core.set_state(&p.s);
  p.code({0xf3, 0x48, 0x0f, 0xae, 0xdb, 0xf3, 0x48, 0x0f, 0xae, 0xc8, 0xf4});  // wrgsbase rbx; rdgsbase rax
  p.s.gpr[RBX] = 0xffff800000000000;
  p.run_to_halt();
  CHECK(p.s.gpr[RAX] == 0xffff800000000000);
  for (const u64 base : {u64{1} << 47, u64{0}}) {
    Program q;
    if (base) q.s.cr4 |= kCr4Fsgsbase;
    q.core.set_state(&q.s);
    for (const u8 vector : {kGP, kUD}) q.gate64(vector, kCode64, 0x180000 + vector * 16);
    for (const u8 vector : {kGP, kUD}) q.put(0x180000 + vector * 16, 0xf4, 1);
    q.code({0xf3, 0x48, 0x0f, 0xae, 0xdb, 0xf4});
    q.s.gpr[RBX] = base;
    q.run_to_halt();
    CHECK(q.s.rip == 0x180001 + (base ? kGP : kUD) * 16);
  }
}

TEST_CASE("RDRAND and RDSEED give the generator's value in the operand's size and set only CF") {
  Program p;
  p.code({0x48, 0x0f, 0xc7, 0xf0, 0x66, 0x0f, 0xc7, 0xfb, 0xf4});  // rdrand rax; rdseed bx
  p.s.gpr[RBX] = ~u64{0};
  p.s.rflags |= kArithmeticFlags;
  p.run_to_halt();
  CHECK(p.s.gpr[RAX] == p.env.random());
  CHECK(p.s.gpr[RBX] == (~u64{0xffff} | (p.env.random() & 0xffff)));
  CHECK((p.s.rflags & kArithmeticFlags) == kCF);
}

TEST_CASE("LAR, LSL, VERR and VERW tell of descriptors that the privilege allows") {
  Machine m;
  m.long_mode();
  u64 value = 0;
  CHECK(examine_segment(m.x, Examine::Rights, kUserData, value));
  CHECK(value == 0x00cff200);
  CHECK(examine_segment(m.x, Examine::Limit, kShortCode, value));
  CHECK(value == 0x1fff);
  CHECK(examine_segment(m.x, Examine::Limit, kData, value));
  CHECK(value == 0xffffffff);
  CHECK(examine_segment(m.x, Examine::Rights, kTss, value));
  CHECK(examine_segment(m.x, Examine::Limit, kTss, value));
  CHECK(examine_segment(m.x, Examine::Rights, kGate, value));
  CHECK_FALSE(examine_segment(m.x, Examine::Limit, kGate, value));
  CHECK_FALSE(examine_segment(m.x, Examine::Readable, kTss, value));
  CHECK_FALSE(examine_segment(m.x, Examine::Rights, 0, value));
  CHECK_FALSE(examine_segment(m.x, Examine::Rights, kGdtEnd, value));
  CHECK(examine_segment(m.x, Examine::Readable, kCode64, value));
  CHECK_FALSE(examine_segment(m.x, Examine::Readable, kExecuteOnly, value));
  CHECK(examine_segment(m.x, Examine::Writable, kData, value));
  CHECK_FALSE(examine_segment(m.x, Examine::Writable, kReadOnly, value));
  CHECK_FALSE(examine_segment(m.x, Examine::Writable, kCode64, value));
  CHECK_FALSE(examine_segment(m.x, Examine::Rights, kData | 3, value));
  m.user();
  CHECK_FALSE(examine_segment(m.x, Examine::Rights, kData, value));
  CHECK(examine_segment(m.x, Examine::Rights, kUserData | 3, value));
  CHECK(examine_segment(m.x, Examine::Readable, kConformingCode, value));
  Machine real;
  CHECK(fault_of([&] { examine_segment(real.x, Examine::Rights, 8, value); })->vector == kUD);
}

TEST_CASE("BOUND raises #BR outside its bounds, which belong to the range") {
  for (const int index : {-6, -5, 7, 8}) {
    Program p;
    p.s = CpuState{};
    reset(p.s);
    p.mmu.set_state(&p.s);
    p.s.gdtr = {Machine::kGdt, kGdtEnd - 1};
    p.s.idtr = {Machine::kIdt, 0xfff};
    p.protected_mode();
    p.core.set_state(&p.s);
    p.gate32(kBR, kCode32, 0x7000);
    p.put(0x7000, 0xf4, 1);
    p.put(0x3000, static_cast<u32>(-5), 4);
    p.put(0x3004, 7, 4);
    p.s.gpr[RAX] = static_cast<u32>(index);
    p.s.rip = 0x6000;
    p.code({0x62, 0x05, 0x00, 0x30, 0, 0, 0xf4}, 0x6000);  // bound eax, [0x3000]
    p.run_to_halt();
    CHECK((p.s.rip == 0x7001) == (index < -5 || index > 7));
  }
}

TEST_CASE("a store by another CPU to decoded code drops it") {
  Program p;
  FunctionalTiming timing{4};
  FakeEnv env;
  Core other{p.ram, env, timing};
  CpuState second = p.s;
  p.code({0xb8, 1, 0, 0, 0, 0xf4});  // mov eax, 1
  p.run_to_halt();
  CHECK(p.s.gpr[RAX] == 1);
  // mov byte [kCode + 1], 2; hlt
  p.code({0xc6, 0x04, 0x25, 0x01, 0x00, 0x10, 0x00, 0x02, 0xf4}, 0x110000);
  second.rip = 0x110000;
  other.configure(p.config);
  other.set_state(&second);
  CHECK(other.run({}) == Stop::Halted);
  p.s.rip = Program::kCode;
  p.s.activity = Activity::Running;
  p.run_to_halt();
  CHECK(p.s.gpr[RAX] == 2);
}

}  // namespace pmusim::core::test
