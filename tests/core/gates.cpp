// SPDX-License-Identifier: Apache-2.0
// Call gates. Expectations: SDM Vol. 2, CALL and JMP (operation and exceptions); Vol. 3, "Accessing a Code
// Segment Through a Call Gate", "Stack Switching", "Call Gates" (16-byte gates of IA-32e mode).
#include <doctest/doctest.h>

#include "machine.h"

using namespace pmusim;
using namespace pmusim::core;
using namespace pmusim::core::test;

namespace {

constexpr u16 kOwnGate = 0x90, kInnerData = 0x10;  // a gate of 8 or 16 bytes; data of DPL 0

struct Legacy : Machine {
  Legacy() {
    protected_mode();
    load_tss();
    s.gdtr.limit = 0x9f;
    put(kTssAt + 4, kInnerStack, 4);
    put(kTssAt + 8, kInnerData, 4);
  }
  void gate(u16 selector, u32 offset, unsigned parameters = 0, u8 access = 0xec) {
    put(kGdt + kOwnGate, (offset & 0xffff) | u64{selector} << 16 | u64{parameters} << 32 | u64{access} << 40 |
                             u64{offset >> 16} << 48);
  }
  u32 slot(unsigned i, unsigned size = 4) const { return static_cast<u32>(get(s.gpr[RSP] + size * i, size)); }
};

struct Long : Machine {
  Long() {
    long_mode();
    load_tss();
    s.gdtr.limit = 0x9f;
    put(kTssAt + 4, kInnerStack + 8);  // RSP0
  }
  void gate(u16 selector, u64 offset, u8 access = 0xec) {
    put(kGdt + kOwnGate,
        (offset & 0xffff) | u64{selector} << 16 | u64{access} << 40 | (offset >> 16 & 0xffff) << 48);
    put(kGdt + kOwnGate + 8, offset >> 32);
  }
};

}  // namespace

TEST_CASE("a call through a gate to the same level takes the gate's target and pushes the return address") {
  Legacy m;
  m.gate(kCode32, 0x12345);
  m.x.next_rip = 0x5007;
  far_call(m.x, kOwnGate, 0xdead, 4);  // the instruction's offset is ignored
  CHECK(m.s.rip == 0x12345);
  CHECK(m.s.seg[CS].selector == kCode32);
  CHECK(m.s.gpr[RSP] == Machine::kStack - 8);
  CHECK(m.slot(0) == 0x5007);
  CHECK(m.slot(1) == kCode32);
}

TEST_CASE("a 16-bit gate pushes words and has a 16-bit offset, whatever the operand size") {
  Legacy m;
  m.gate(kCode32, 0xffff2345, 0, 0xe4);
  far_call(m.x, kOwnGate, 0, 4);
  CHECK(m.s.rip == 0x2345);
  CHECK(m.s.gpr[RSP] == Machine::kStack - 4);
  CHECK(m.slot(1, 2) == kCode32);
}

TEST_CASE("a call to an inner level switches to the TSS's stack and copies the parameters in their order") {
  for (const unsigned n : {0u, 1u, 31u}) {
    Legacy m;
    m.user();
    m.gate(kCode32, 0x6000, n);
    for (unsigned i = 0; i < n; ++i) m.put(Machine::kStack + 4 * i, 100 + i, 4);
    m.x.next_rip = 0x5007;
    far_call(m.x, kOwnGate | 3, 0, 4);
    INFO(n);
    CHECK(m.s.cpl == 0);
    CHECK(m.s.seg[CS].selector == kCode32);
    CHECK(m.s.seg[SS].selector == kInnerData);
    REQUIRE(m.s.gpr[RSP] == Machine::kInnerStack - 16 - 4 * n);
    CHECK(m.slot(0) == 0x5007);
    CHECK(m.slot(1) == (kUserCode32 | 3));
    for (unsigned i = 0; i < n; ++i) CHECK(m.slot(2 + i) == 100 + i);
    CHECK(m.slot(2 + n) == Machine::kStack);
    CHECK(m.slot(3 + n) == (kUserData | 3));
    // RET n comes back and drops them from both stacks.
    far_return(m.x, 4, static_cast<u16>(4 * n));
    CHECK(m.s.cpl == 3);
    CHECK(m.s.rip == 0x5007);
    CHECK(m.s.gpr[RSP] == Machine::kStack + 4 * n);
  }
}

TEST_CASE("a jump through a gate keeps the level: inner code is #GP unless it conforms") {
  Legacy m;
  m.user();
  m.gate(kCode32, 0x6000);
  CHECK(faults_with([&] { far_jump(m.x, kOwnGate | 3, 0, 4); }, kGP, kCode32));
  m.gate(kConformingCode, 0x6000);
  far_jump(m.x, kOwnGate | 3, 0, 4);
  CHECK(m.s.cpl == 3);
  CHECK(m.s.rip == 0x6000);
  CHECK(m.s.seg[CS].selector == (kConformingCode | 3));
  CHECK(m.s.gpr[RSP] == Machine::kStack);
}

TEST_CASE("gate and target are checked: privilege, presence, null, type, limits") {
  Legacy m;
  const auto calls = [&](u16 selector) { return [&m, selector] { far_call(m.x, selector, 0, 4); }; };
  m.gate(kCode32, 0x6000, 0, 0x8c);  // DPL 0
  CHECK(faults_with(calls(kOwnGate | 1), kGP, kOwnGate));
  CHECK(!fault_of(calls(kOwnGate)));
  m.s.gpr[RSP] = Machine::kStack;
  m.user();
  CHECK(faults_with(calls(kOwnGate), kGP, kOwnGate));
  m.segments(kCode32, kData);
  m.gate(kCode32, 0x6000, 0, 0x6c);
  CHECK(faults_with(calls(kOwnGate), kNP, kOwnGate));
  m.gate(0, 0x6000);
  CHECK(faults_with(calls(kOwnGate), kGP, 0));
  m.gate(kData, 0x6000);
  CHECK(faults_with(calls(kOwnGate), kGP, kData));
  m.gate(0xa0, 0x6000);
  CHECK(faults_with(calls(kOwnGate), kGP, 0xa0));
  m.gate(kAbsentCode, 0x6000);
  CHECK(faults_with(calls(kOwnGate), kNP, kAbsentCode));
  m.gate(kUserCode32, 0x6000);  // an outer level
  CHECK(faults_with(calls(kOwnGate), kGP, kUserCode32));
  m.gate(kShortCode, 0x2000);
  CHECK(faults_with(calls(kOwnGate), kGP, 0));
  m.gate(kShortCode, 0x1fff);
  CHECK(!fault_of(calls(kOwnGate)));
}

TEST_CASE("the inner stack is checked: TSS limit, selector, room for parameters") {
  Legacy m;
  m.user();
  m.gate(kCode32, 0x6000, 1);
  const auto call = [&] { far_call(m.x, kOwnGate | 3, 0, 4); };
  m.s.tr.limit = 8;
  CHECK(faults_with(call, kTS, kTss));
  m.s.tr.limit = 0x67;
  m.put(Machine::kTssAt + 8, 0, 4);
  CHECK(faults_with(call, kTS, 0));
  m.put(Machine::kTssAt + 8, kInnerData | 3, 4);
  CHECK(faults_with(call, kTS, kInnerData));
  m.put(Machine::kTssAt + 8, kShortCode, 4);
  CHECK(faults_with(call, kTS, kShortCode));
  // A data segment of 4 KiB: 20 bytes are pushed.
  m.put(Machine::kGdt + kShortCode, Machine::descriptor(0, 0xfff, 0x92, 4));
  m.put(Machine::kTssAt + 4, 0x1004, 4);
  CHECK(faults_with(call, kSS, kShortCode));
  CHECK(m.s.cpl == 3);
  CHECK(m.s.gpr[RSP] == Machine::kStack);
  m.put(Machine::kTssAt + 4, 0x1000, 4);
  CHECK(!fault_of(call));
}

TEST_CASE("a 64-bit gate has 16 bytes, pushes four quadwords with a null SS and copies nothing") {
  Long m;
  m.user();
  m.gate(kCode64, 0x123456789abc);
  m.x.next_rip = 0x5007;
  far_call(m.x, kOwnGate | 3, 0, 8);
  CHECK(m.s.rip == 0x123456789abc);
  CHECK(m.s.cpl == 0);
  CHECK(m.s.seg[SS].unusable());
  CHECK(m.s.seg[SS].selector == 0);
  REQUIRE(m.s.gpr[RSP] == Machine::kInnerStack + 8 - 32);
  CHECK(m.get(m.s.gpr[RSP]) == 0x5007);
  CHECK(m.get(m.s.gpr[RSP] + 8) == (kUserCode64 | 3));
  CHECK(m.get(m.s.gpr[RSP] + 16) == Machine::kStack);
  CHECK(m.get(m.s.gpr[RSP] + 24) == (kUserData | 3));
}

TEST_CASE("in long mode the target is 64-bit code, the upper type is zero and 16-bit gates do not exist") {
  Long m;
  const auto call = [&] { far_call(m.x, kOwnGate, 0, 8); };
  m.gate(kCode32, 0x6000);
  CHECK(faults_with(call, kGP, kCode32));
  m.gate(kCode64, 0x6000, 0xe4);
  CHECK(faults_with(call, kGP, kOwnGate));
  m.gate(kCode64, 0x6000, 0xe5);  // nor task gates
  CHECK(faults_with(call, kGP, kOwnGate));
  m.gate(kCode64, 0x6000);
  m.put(Machine::kGdt + kOwnGate + 12, 1 << 8, 4);
  CHECK(faults_with(call, kGP, kOwnGate));
  m.gate(kCode64, 0x6000);
  m.s.gdtr.limit = 0x9e;
  CHECK(faults_with(call, kGP, kOwnGate));
  m.s.gdtr.limit = 0x9f;
  m.gate(kCode64, 0x0000800000000000);
  CHECK(faults_with(call, kGP, 0));
  m.gate(kCode64, 0x00007fffffffffff);
  CHECK(!fault_of(call));
}

TEST_CASE("compatibility mode reaches 64-bit code of its own level through a gate") {
  Long m;
  m.segments(kCode32, kData);
  m.x.next_rip = 0x5007;
  m.gate(kCode64, 0x6000);
  far_call(m.x, kOwnGate, 0, 4);
  CHECK(m.s.code64());
  CHECK(m.s.gpr[RSP] == Machine::kStack - 16);
  CHECK(m.get(m.s.gpr[RSP]) == 0x5007);
  CHECK(m.get(m.s.gpr[RSP] + 8) == kCode32);
}
