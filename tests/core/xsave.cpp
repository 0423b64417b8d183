// SPDX-License-Identifier: Apache-2.0
// The XSAVE family with x87 and SSE state. Expectations: SDM Vol. 1, "Managing State Using the XSAVE Feature
// Set"; Vol. 2, each instruction.
#include <doctest/doctest.h>

#include "vector_program.h"

using namespace pmusim;
using namespace pmusim::core;
using namespace pmusim::core::test;

namespace {

const std::vector<u8> kXsave64{0x48, 0x0f, 0xae, 0x27}, kXsaveopt64{0x48, 0x0f, 0xae, 0x37},
    kXsavec64{0x48, 0x0f, 0xc7, 0x27}, kXrstor64{0x48, 0x0f, 0xae, 0x2f}, kXgetbv{0x0f, 0x01, 0xd0},
    kXsetbv{0x0f, 0x01, 0xd1};

constexpr u64 kBit63 = u64{1} << 63;

struct Xsave : VectorProgram {
  static constexpr u64 kArea = kDataAt, kBv = kArea + 512, kCompaction = kArea + 520;
  Xsave() {
    for (const Feature f : {Feature::Xsave, Feature::Xsaveopt, Feature::Xsavec, Feature::Xgetbv1})
      config.features.set(f);
    start();
    s.cr4 |= kCr4Osxsave;
    s.fpu = {};
    s.fpu.xcr0 = 3;
    s.gpr[RDI] = kArea;
    ask(3);
  }
  void ask(u64 components) {
    s.gpr[RAX] = components;
    s.gpr[RDX] = 0;
  }
};

}  // namespace

TEST_CASE("without CR4.OSXSAVE or without the feature the XSAVE family is undefined") {
  for (const auto& bytes : {kXsave64, kXsaveopt64, kXsavec64, kXrstor64, kXgetbv, kXsetbv}) {
    Xsave m;
    m.s.gpr[RCX] = 0;
    CHECK(m.execute(bytes) == 0);
    m.s.cr4 &= ~kCr4Osxsave;
    CHECK(m.execute(bytes) == kUD);
    m.s.cr4 |= kCr4Osxsave;
    m.config.features.set(Feature::Xsave, false);
    m.config.features.set(Feature::Xsaveopt, false);
    m.config.features.set(Feature::Xsavec, false);
    m.start();
    CHECK(m.execute(bytes) == kUD);
  }
}

TEST_CASE("XSETBV accepts x87 alone and x87 with SSE in XCR0, at CPL 0") {
  Xsave m;
  m.s.gpr[RCX] = 0;
  for (const u64 value : {u64{1}, u64{3}}) {
    m.ask(value);
    CHECK(m.execute(kXsetbv) == 0);
    CHECK(m.s.fpu.xcr0 == value);
    m.ask(0);
    CHECK(m.execute(kXgetbv) == 0);
    CHECK(m.s.gpr[RAX] == value);
    CHECK(m.s.gpr[RDX] == 0);
  }
  for (const u64 value : {u64{0}, u64{2}, u64{4}, u64{7}}) {
    m.ask(value);
    CHECK(m.execute(kXsetbv) == kGP);
  }
  m.ask(3);
  m.s.gpr[RDX] = 1;
  CHECK(m.execute(kXsetbv) == kGP);
  m.ask(3);
  m.s.gpr[RCX] = 1;
  CHECK(m.execute(kXsetbv) == kGP);
  CHECK(m.s.fpu.xcr0 == 3);
  m.s.gpr[RCX] = 2;
  CHECK(m.execute(kXgetbv) == kGP);
}

TEST_CASE("the area is aligned to 64 bytes and CR0.TS makes it #NM") {
  Xsave m;
  m.s.gpr[RDI] = m.kArea + 32;
  for (const auto& bytes : {kXsave64, kXsaveopt64, kXsavec64, kXrstor64}) CHECK(m.execute(bytes) == kGP);
  m.s.cr0 |= kCr0Ts;
  CHECK(m.execute(kXsave64) == kNM);
}

TEST_CASE("XSAVE stores what is asked for, XSTATE_BV says what is not initial and keeps the rest") {
  Xsave m;
  m.set_xmm(1, 0x1122, 0x3344);
  m.put(m.kBv, 0x8000);
  m.put(m.kArea, 0x5555, 2);
  m.ask(2);
  CHECK(m.execute(kXsave64) == 0);
  CHECK(m.get(m.kArea + 176) == 0x1122);
  CHECK(m.get(m.kArea + 24, 4) == kMxcsrReset);
  CHECK(m.get(m.kArea, 2) == 0x5555);  // x87 state was not asked for
  CHECK(m.get(m.kBv) == 0x8002);
  m.ask(3);
  CHECK(m.execute(kXsave64) == 0);
  CHECK(m.get(m.kArea, 2) == 0x37f);
  CHECK(m.get(m.kBv) == 0x8002);  // x87 state is initial
  // XSAVEOPT does not write what is initial.
  m.put(m.kArea, 0x5555, 2);
  CHECK(m.execute(kXsaveopt64) == 0);
  CHECK(m.get(m.kArea, 2) == 0x5555);
  CHECK(m.get(m.kBv) == 0x8002);
}

TEST_CASE("XSAVEC writes the compacted header, and MXCSR makes SSE state be in use") {
  Xsave m;
  m.put(m.kBv, ~u64{0});
  CHECK(m.execute(kXsavec64) == 0);
  CHECK(m.get(m.kBv) == 0);
  CHECK(m.get(m.kCompaction) == 0x8000000000000003);
  m.s.fpu.mxcsr = 0x1fa0;
  CHECK(m.execute(kXsavec64) == 0);
  CHECK(m.get(m.kBv) == 2);
  CHECK(m.get(m.kArea + 24, 4) == 0x1fa0);
}

TEST_CASE("XRSTOR loads what is present and initializes what is not") {
  Xsave m;
  m.set_xmm(1, 0x1122, 0x3344);
  m.s.fpu.control = 0x27f;
  m.s.fpu.tags = 1;
  m.s.fpu.r[0].significand = 77;
  CHECK(m.execute(kXsave64) == 0);
  m.s.fpu = {};
  m.s.fpu.xcr0 = 3;
  CHECK(m.execute(kXrstor64) == 0);
  CHECK(m.xmm_is(1, 0x1122, 0x3344));
  CHECK(m.s.fpu.control == 0x27f);
  CHECK(m.s.fpu.r[0].significand == 77);
  m.put(m.kBv, 0);
  m.put(m.kArea + 24, 0x1fa0, 4);
  CHECK(m.execute(kXrstor64) == 0);
  CHECK(m.xmm_is(1, 0, 0));
  CHECK(m.s.fpu.control == 0x37f);
  CHECK(m.s.fpu.r[0].significand == 0);
  CHECK(m.s.fpu.mxcsr == 0x1fa0);  // the standard form loads it all the same
  m.put(m.kCompaction, 0x8000000000000003);
  CHECK(m.execute(kXrstor64) == 0);
  CHECK(m.s.fpu.mxcsr == kMxcsrReset);  // the compacted form initializes it
}

TEST_CASE(
    "XRSTOR refuses headers that say what XCR0 does not allow, reserved bytes and reserved MXCSR bits") {
  const auto faults = [](u64 bv, u64 compaction, u64 reserved, u32 mxcsr, u64 xcr0) {
    Xsave m;
    m.s.fpu.xcr0 = xcr0;
    m.put(m.kBv, bv);
    m.put(m.kCompaction, compaction);
    m.put(m.kBv + 16, reserved);
    m.put(m.kArea + 24, mxcsr, 4);
    m.set_xmm(0, 5, 6);
    const unsigned vector = m.execute(kXrstor64);
    if (vector) CHECK(m.xmm_is(0, 5, 6));
    return vector == kGP;
  };
  CHECK(!faults(3, 0, 0, 0xffff, 3));
  CHECK(faults(4, 0, 0, 0, 3));
  CHECK(faults(2, 0, 0, 0, 1));
  CHECK(faults(3, 1, 0, 0, 3));
  CHECK(faults(3, 0, 1, 0, 3));
  CHECK(faults(3, 0, 0, 0x10000, 3));
  CHECK(!faults(2, kBit63 | 3, 0, 0, 3));
  CHECK(faults(2, kBit63 | 1, 0, 0, 3));
  CHECK(faults(0, kBit63 | 4, 0, 0, 3));
}
