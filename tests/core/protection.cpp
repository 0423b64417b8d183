// SPDX-License-Identifier: Apache-2.0
// Protection that features add (SMEP, SMAP, alignment checks, PCIDs) and that segments give 32-bit code.
#include <doctest/doctest.h>

#include "program.h"

namespace pmusim::core::test {
namespace {

constexpr u64 kUserPage = 0x3000, kSupervisorPage = 0x5000;
constexpr u32 kPresentError = 1, kWriteError = 2, kFetchError = 16;

struct Paged : Machine {
  Paged() {
    long_mode();
    map(kSupervisorPage, kSupervisorPage, kP | kW);
    mmu.set_state(&s);
  }
  bool faults(u64 address, u32 error, bool write = false) {
    return faults_with([&] { write ? mmu.write<u8>(address, 1) : void(mmu.read<u8>(address)); }, kPF, error);
  }
  bool passes(u64 address) {
    return !fault_of([&] { mmu.read<u8>(address), mmu.write<u8>(address, 1); });
  }
};

// 32-bit code at 0x6000 with a data segment of its own in DS and SS.
struct Segmented : Program {
  static constexpr u16 kOwn = 0x88, kCode32At = 0x6000;
  explicit Segmented(u64 descriptor) {
    s = CpuState{};
    reset(s);
    mmu.set_state(&s);
    build_gdt();
    s.gdtr.limit = kOwn + 7;
    put(kGdt + kOwn, descriptor);
    protected_mode();
    s.seg[DS] = s.seg[SS] = segment(kOwn);
    s.seg[SS] = segment(kData);
    s.rip = kCode32At;
    core.set_state(&s);
    for (const u8 vector : {kSS, kGP}) gate32(vector, kCode32, 0x7000 + vector * 16);
    for (const u8 vector : {kSS, kGP}) put(0x7000 + vector * 16, 0xf4, 1);
  }
  // The vector that `bytes` end in, 0 for none; all handlers and the end are HLT.
  int outcome(std::vector<u8> bytes) {
    bytes.push_back(0xf4);
    code(bytes, kCode32At);
    run_to_halt();
    return s.rip > 0x7000 ? static_cast<int>(s.rip - 0x7001) / 16 : 0;
  }
};
std::vector<u8> load32(u32 offset) {  // mov eax, [disp32]
  return {0xa1, u8(offset), u8(offset >> 8), u8(offset >> 16), u8(offset >> 24)};
}

}  // namespace

TEST_CASE("SMAP keeps a supervisor from user pages unless RFLAGS.AC is set, implicit accesses always") {
  Paged m;
  CHECK(m.passes(kUserPage));
  mov_to_cr(m.x, 4, m.s.cr4 | kCr4Smap, RAX);
  CHECK(m.faults(kUserPage, kPresentError));
  CHECK(m.faults(kUserPage, kPresentError | kWriteError, true));
  CHECK(m.passes(kSupervisorPage));
  m.s.rflags |= kACFlag;
  m.mmu.access_changed();
  CHECK(m.passes(kUserPage));
  CHECK(faults_with([&] { m.mmu.read_system(kUserPage, 8); }, kPF, kPresentError));
  m.s.rflags &= ~kACFlag;
  m.mmu.access_changed();
  CHECK(m.faults(kUserPage, kPresentError));
  m.user();
  CHECK(m.passes(kUserPage));
}

TEST_CASE("without paging SMEP and SMAP do nothing") {
  Machine m;
  m.protected_mode();
  m.s.cr4 = kCr4Smep | kCr4Smap;
  m.mmu.set_state(&m.s);
  CHECK(!fault_of([&] { m.mmu.write<u8>(0x3000, 1), m.mmu.fetch(0x3000); }));
}

TEST_CASE("SMEP keeps a supervisor from executing user pages and gives every fetch fault the fetch bit") {
  Paged m;
  CHECK_NOTHROW(m.mmu.fetch(kUserPage));
  mov_to_cr(m.x, 4, m.s.cr4 | kCr4Smep, RAX);
  CHECK(faults_with([&] { m.mmu.fetch(kUserPage); }, kPF, kPresentError | kFetchError));
  CHECK_NOTHROW(m.mmu.fetch(kSupervisorPage));
  CHECK(m.passes(kUserPage));
  m.user();
  CHECK_NOTHROW(m.mmu.fetch(kUserPage));
}

TEST_CASE("STAC and CLAC set and clear RFLAGS.AC at CPL 0 and are undefined elsewhere or without SMAP") {
  Program p;
  p.code(
      {0x0f, 0x01, 0xcb, 0x9c, 0x58, 0x0f, 0x01, 0xca, 0x9c, 0x5b, 0xf4});  // stac, pushf, pop rax, clac, ...
  p.run_to_halt();
  CHECK((p.s.gpr[RAX] & kACFlag) != 0);
  CHECK((p.s.gpr[RBX] & kACFlag) == 0);
  Program without;
  without.config.features.set(Feature::Smap, false);
  without.start();
  without.gate64(kUD, kCode64, 0x180000);
  without.put(0x180000, 0xf4, 1);
  without.code({0x0f, 0x01, 0xcb});
  without.run_to_halt();
  CHECK(without.s.rip == 0x180001);
}

TEST_CASE("a misaligned access at CPL 3 with CR0.AM and RFLAGS.AC is #AC(0), a page fault comes first") {
  Paged m;
  m.s.cr0 |= kCr0Am;
  m.s.rflags |= kACFlag;
  m.mmu.access_changed();
  CHECK(m.passes(kUserPage + 1));
  const auto read4 = [&](u64 at) { return fault_of([&] { m.mmu.read<u32>(at); }); };
  CHECK_FALSE(read4(kUserPage + 1));
  m.user();
  CHECK_FALSE(read4(kUserPage + 4));
  for (u64 at : {kUserPage + 1, kUserPage + 2, kUserPage + 3}) {
    const auto fault = read4(at);
    REQUIRE(fault);
    CHECK(fault->vector == kAC);
    CHECK(fault->error_code == 0);
  }
  CHECK(read4(kSupervisorPage + 1)->vector == kPF);
  m.s.cr0 &= ~kCr0Am;
  m.mmu.access_changed();
  CHECK_FALSE(read4(kUserPage + 1));
}

// SDM Vol. 3, "Alignment Check Exception (#AC)"; Vol. 2, MASKMOVDQU, PUSH, CALL.
TEST_CASE("pushes, calls and masked stores check alignment at CPL 3") {
  const auto vector_of = [](std::vector<u8> bytes, u64 offset) {
    Program m;
    for (const u8 v : {kAC, kPF}) {
      m.gate64(v, kCode64, 0x300000 + 16 * v);
      m.put(0x300000 + 16 * v, 0xf4, 1);
    }
    m.gate64(0x80, kCode64, 0x300000 + 16 * 0x80, 0xee);
    m.put(0x300000 + 16 * 0x80, 0xf4, 1);
    m.load_tss();
    m.put(Machine::kTssAt + 4, Machine::kInnerStack);
    bytes.insert(bytes.end(), {0xcd, 0x80});
    m.code(bytes);
    m.user();
    m.s.cr0 |= kCr0Am;
    m.s.cr4 |= kCr4Osfxsr;
    m.s.rflags |= kACFlag;
    m.s.gpr[RSP] = Machine::kStack - offset;
    m.s.gpr[RDI] = Program::kDataAt + offset;
    m.s.fpu.xmm[1][0] = m.s.fpu.xmm[1][1] = ~u64{0};
    m.start();
    m.run_to_halt();
    return (m.s.rip - 0x300001) / 16;
  };
  const std::vector<u8> push{0x50}, push16{0x66, 0x50}, call{0xe8, 0, 0, 0, 0}, pop{0x58},
      masked{0x66, 0x0f, 0xf7, 0xc1};  // maskmovdqu xmm0,xmm1
  for (const auto& bytes : {push, call, pop, masked}) {
    CHECK(vector_of(bytes, 0) == 0x80);
    CHECK(vector_of(bytes, 8) == 0x80);
    CHECK(vector_of(bytes, 4) == kAC);
  }
  CHECK(vector_of(push16, 2) == 0x80);
  CHECK(vector_of(push16, 1) == kAC);
}

TEST_CASE("CR4.PCIDE needs long mode and a CR3 without PCID, paging cannot go off under it") {
  Paged m;
  m.s.cr3 |= 5;
  CHECK(faults_with([&] { mov_to_cr(m.x, 4, m.s.cr4 | kCr4Pcide, RAX); }, kGP, 0));
  m.s.cr3 &= ~u64{0xfff};
  mov_to_cr(m.x, 4, m.s.cr4 | kCr4Pcide, RAX);
  mov_to_cr(m.x, 3, m.s.cr3 | u64{1} << 63 | 7, RAX);
  CHECK(m.s.cr3 == (Machine::kTables | 7));
  CHECK(m.passes(kUserPage));
  Machine legacy;
  legacy.protected_mode();
  CHECK(faults_with([&] { mov_to_cr(legacy.x, 4, kCr4Pcide, RAX); }, kGP, 0));
}

TEST_CASE("INVPCID drops what it names and refuses reserved types, PCIDs and addresses") {
  Paged m;
  m.put(0x7000, 0);
  m.put(0x7008, kUserPage);
  CHECK(m.passes(kUserPage));
  m.map(kUserPage, 0, 0);
  CHECK(m.passes(kUserPage));
  invpcid(m.x, 0, 0x7000);
  CHECK(m.faults(kUserPage, 0));
  for (u64 type : {u64{4}, ~u64{0}}) CHECK(faults_with([&] { invpcid(m.x, type, 0x7000); }, kGP, 0));
  m.put(0x7000, 0x1000);
  CHECK(faults_with([&] { invpcid(m.x, 2, 0x7000); }, kGP, 0));
  m.put(0x7000, 1);
  CHECK(faults_with([&] { invpcid(m.x, 1, 0x7000); }, kGP, 0));
  m.put(0x7000, 0);
  m.put(0x7008, u64{1} << 47);
  CHECK(faults_with([&] { invpcid(m.x, 0, 0x7000); }, kGP, 0));
  m.user();
  CHECK(faults_with([&] { invpcid(m.x, 2, 0x7000); }, kGP, 0));
}

TEST_CASE("a 32-bit access ends at the segment's limit, and begins above it where the segment expands down") {
  const u64 up = Machine::descriptor(0, 0xfff, 0x92, 0x4), down = Machine::descriptor(0, 0xfff, 0x96, 0x4);
  CHECK(Segmented(up).outcome(load32(0xffc)) == 0);
  CHECK(Segmented(up).outcome(load32(0xffd)) == kGP);
  CHECK(Segmented(down).outcome(load32(0xfff)) == kGP);
  CHECK(Segmented(down).outcome(load32(0x1000)) == 0);
  const u64 down16 = Machine::descriptor(0, 0xfff, 0x96, 0);
  CHECK(Segmented(down16).outcome(load32(0xfffc)) == 0);
  CHECK(Segmented(down16).outcome(load32(0xfffd)) == kGP);
}

TEST_CASE("32-bit code writes only writable segments and uses no null one, beyond SS it is #SS") {
  const u64 read_only = Machine::descriptor(0, 0xfffff, 0x90, 0xc);
  CHECK(Segmented(read_only).outcome(load32(0x2000)) == 0);
  CHECK(Segmented(read_only).outcome({0xa3, 0, 0x20, 0, 0}) == kGP);  // mov [0x2000], eax
  Segmented null(read_only);
  null.s.seg[DS].access = 1 << 16;
  CHECK(null.outcome(load32(0x2000)) == kGP);
  // mov eax, [ebp] with a stack segment of 64 KiB; the handler's frame fits below.
  Segmented stack(read_only);
  stack.s.seg[SS].limit = 0xffff;
  stack.s.gpr[RBP] = 0xfffd;
  CHECK(stack.outcome({0x8b, 0x45, 0x00}) == kSS);
  Segmented push(read_only);
  push.s.gpr[RSP] = 0x7ffe;
  push.s.seg[SS].limit = 0x8000;
  CHECK(push.outcome({0x58}) == kSS);  // pop eax: bytes 7ffe to 8001
}

TEST_CASE("a branch beyond the limit of CS is #GP(0) at the branch, an instruction across it at itself") {
  for (const u32 target : {0x6fffu, 0x7000u}) {
    CAPTURE(target);
    Segmented p(Machine::descriptor(0, 0xfffff, 0x92, 0xc));
    p.s.seg[CS].limit = 0x6fff;
    p.put(0x6fff, 0xf4, 1);
    const int vector = p.outcome({0xe9, u8(target - 0x6005), u8((target - 0x6005) >> 8), 0, 0});
    CHECK((vector == kGP) == (target > 0x6fff));
    if (vector == kGP) CHECK(p.get(p.s.gpr[RSP] + 4, 4) == 0x6000);
  }
  Segmented p(Machine::descriptor(0, 0xfffff, 0x92, 0xc));
  p.s.seg[CS].limit = 0x6003;
  CHECK(p.outcome({0x90, 0xb8, 0, 0, 0, 0}) == kGP);  // nop; mov eax, 0 ends at 0x6005
  CHECK(p.get(p.s.gpr[RSP] + 4, 4) == 0x6001);
}

}  // namespace pmusim::core::test
