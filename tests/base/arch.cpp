// SPDX-License-Identifier: Apache-2.0
// CPUID tables and count names. Out-of-range leaves: SDM Vol. 1, "Processor Identification and Feature
// Determination" (highest basic leaf on Intel); AMD APM Vol. 3, CPUID (undefined functions return zero).
#include <doctest/doctest.h>

#include <string>

#include "arch/count.h"
#include "arch/cpuid.h"
#include "arch/cpuid_features.h"

using namespace pmusim;

namespace {
CpuidTable table(bool intel) {
  CpuidTable t;
  t.set(0, 0, {7, intel ? 0x756e6547u : 0x68747541u, 0, 0});
  t.set(1, 0, {0x806f8, 1, 2, 3});
  t.set(7, 0, {1, 70, 0, 0});
  t.set(7, 1, {0, 71, 0, 0});
  t.set(0x80000000, 0, {0x80000008, 0, 0, 0});
  t.set(0x80000008, 0, {46, 0, 0, 0});
  return t;
}
}  // namespace

TEST_CASE("a leaf without subleaves answers whatever ECX is, one with subleaves only its own") {
  const CpuidTable t = table(true);
  CHECK(t.read(1, 99).eax == 0x806f8);
  CHECK(t.read(7, 0).ebx == 70);
  CHECK(t.read(7, 1).ebx == 71);
  CHECK(t.read(7, 2).ebx == 0);
}

TEST_CASE("an absent leaf in range reads as zero") {
  const CpuidTable t = table(true);
  CHECK(t.read(3, 0).eax == 0);
  CHECK(t.read(0x80000004, 0).eax == 0);
}

TEST_CASE("a leaf above the maximum reads as the highest basic leaf on Intel, as zero on AMD") {
  const CpuidTable intel = table(true), amd = table(false);
  for (const u32 leaf : {0x8u, 0x40000000u, 0x80000009u}) {
    CAPTURE(leaf);
    CHECK(intel.read(leaf, 0).ebx == 70);
    CHECK(intel.read(leaf, 1).ebx == 71);
    CHECK(amd.read(leaf, 0).ebx == 0);
  }
}

TEST_CASE("hypervisor leaves have a range of their own once the table has them") {
  CpuidTable t = table(true);
  t.set(0x40000000, 0, {0x40000001, 0x4b4d564b, 0, 0});
  CHECK(t.read(0x40000001, 0).ebx == 0);
  CHECK(t.read(0x40000002, 0).ebx == 70);
}

TEST_CASE("set replaces an entry, find gives it or nothing") {
  CpuidTable t = table(true);
  const auto entries = t.entries.size();
  t.set(1, 0, {5, 0, 0, 0});
  CHECK(t.entries.size() == entries);
  REQUIRE(t.find(1, 0));
  CHECK(t.find(1, 0)->regs.eax == 5);
  CHECK(t.find(2, 0) == nullptr);
  CHECK(t.find(7, 2) == nullptr);
}

TEST_CASE("a bit of CPUID is read and changed alone, and only where its leaf is there") {
  CpuidTable t = table(true);
  t.set(1, 0, {0, 0, 0xffffffff, 0});
  t.set(cpuid::kPdcm, false);
  CHECK(t.read(1, 0).ecx == 0xffff7fff);
  CHECK_FALSE(t.has(cpuid::kPdcm));
  CHECK(t.has(cpuid::kHypervisor));
  t.set(cpuid::kPdcm);
  CHECK(t.read(1, 0).ecx == 0xffffffff);
  CHECK_FALSE(t.has(cpuid::kArchPerfmonExt));
  t.set(cpuid::kArchPerfmonExt);
  CHECK(t.read(7, 1).eax == 0x100);
  CHECK(t.read(7, 0).eax == 1);
  t.set(cpuid::kPerfMonV2);
  CHECK(t.find(0x80000022, 0) == nullptr);
}

TEST_CASE("an empty table reads as zero") {
  CHECK(CpuidTable{}.read(0, 0).eax == 0);
}

TEST_CASE("every count has a distinct name that leads back to it") {
  for (unsigned i = 0; i < kCounts; ++i) {
    const Count c = static_cast<Count>(i);
    CHECK(count_by_name(count_name(c)) == c);
  }
  CHECK(std::string(count_name(Count::LockedLoads)) == "locked_loads");
  CHECK(count_by_name("no such count") == Count::Number);
  CHECK(count_by_name("") == Count::Number);
}
