// SPDX-License-Identifier: Apache-2.0
// Where CPUID says what (SDM Vol. 2, CPUID; APM Vol. 3, appendix E).
#include "core/state/features.h"

namespace pmusim::core {
namespace {

constexpr unsigned kFeatures = static_cast<unsigned>(Feature::Number);
static_assert(kFeatures <= 64);

struct Place {
  Feature feature;
  u32 leaf;
  u32 CpuidRegs::*reg;
  unsigned bit;
  u32 subleaf = 0;
};
constexpr u32 CpuidRegs::*kEax = &CpuidRegs::eax, CpuidRegs::*kEbx = &CpuidRegs::ebx,
              CpuidRegs::*kEcx = &CpuidRegs::ecx, CpuidRegs::*kEdx = &CpuidRegs::edx;
constexpr Place kPlaces[] = {
    {Feature::Sep, 1, kEdx, 11},
    {Feature::Clflush, 1, kEdx, 19},
    {Feature::Pcid, 1, kEcx, 17},
    {Feature::Cx16, 1, kEcx, 13},
    {Feature::Movbe, 1, kEcx, 22},
    {Feature::Popcnt, 1, kEcx, 23},
    {Feature::Rdrand, 1, kEcx, 30},
    {Feature::Xsave, 1, kEcx, 26},
    {Feature::Fsgsbase, 7, kEbx, 0},
    {Feature::Bmi1, 7, kEbx, 3},
    {Feature::Smep, 7, kEbx, 7},
    {Feature::Bmi2, 7, kEbx, 8},
    {Feature::Invpcid, 7, kEbx, 10},
    {Feature::Rdseed, 7, kEbx, 18},
    {Feature::Adx, 7, kEbx, 19},
    {Feature::Smap, 7, kEbx, 20},
    {Feature::Clflushopt, 7, kEbx, 23},
    {Feature::Clwb, 7, kEbx, 24},
    {Feature::Umip, 7, kEcx, 2},
    {Feature::Rdpid, 7, kEcx, 22},
    {Feature::Lahf64, 0x80000001, kEcx, 0},
    {Feature::Lzcnt, 0x80000001, kEcx, 5},
    {Feature::Nx, 0x80000001, kEdx, 20},
    {Feature::Pages1g, 0x80000001, kEdx, 26},
    {Feature::Rdtscp, 0x80000001, kEdx, 27},
    {Feature::Xsaveopt, 0xd, kEax, 0, 1},
    {Feature::Xsavec, 0xd, kEax, 1, 1},
    {Feature::Xgetbv1, 0xd, kEax, 2, 1},
};
static_assert(sizeof kPlaces / sizeof *kPlaces == kFeatures, "every feature has a place");

}  // namespace

Features Features::all() {
  Features f;
  f.bits_ = ~u64{0} >> (64 - kFeatures);
  return f;
}

Features features_of(const CpuidTable& cpuid) {
  Features f;
  for (const Place& p : kPlaces) f.set(p.feature, cpuid.read(p.leaf, p.subleaf).*p.reg >> p.bit & 1);
  return f;
}

}  // namespace pmusim::core
