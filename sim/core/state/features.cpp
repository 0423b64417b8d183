// SPDX-License-Identifier: Apache-2.0
// Where CPUID says what.
#include "core/state/features.h"

#include "arch/cpuid_features.h"
#include "base/enum_table.h"

namespace pmusim::core {
namespace {

constexpr unsigned kFeatures = static_cast<unsigned>(Feature::Number);
static_assert(kFeatures <= 64);

struct Place {
  Feature feature;
  CpuidBit bit;
};
constexpr Place kPlaces[] = {
    {Feature::Sep, cpuid::kSep},
    {Feature::Clflush, cpuid::kClfsh},
    {Feature::Pcid, cpuid::kPcid},
    {Feature::Cx16, cpuid::kCmpxchg16b},
    {Feature::Movbe, cpuid::kMovbe},
    {Feature::Popcnt, cpuid::kPopcnt},
    {Feature::Rdrand, cpuid::kRdrand},
    {Feature::Xsave, cpuid::kXsave},
    {Feature::Fsgsbase, cpuid::kFsgsbase},
    {Feature::Bmi1, cpuid::kBmi1},
    {Feature::Smep, cpuid::kSmep},
    {Feature::Bmi2, cpuid::kBmi2},
    {Feature::Invpcid, cpuid::kInvpcid},
    {Feature::Rdseed, cpuid::kRdseed},
    {Feature::Adx, cpuid::kAdx},
    {Feature::Smap, cpuid::kSmap},
    {Feature::Clflushopt, cpuid::kClflushopt},
    {Feature::Clwb, cpuid::kClwb},
    {Feature::Umip, cpuid::kUmip},
    {Feature::Rdpid, cpuid::kRdpid},
    {Feature::Lahf64, cpuid::kLahfSahf},
    {Feature::Lzcnt, cpuid::kAbm},
    {Feature::Nx, cpuid::kNx},
    {Feature::Pages1g, cpuid::kPage1Gb},
    {Feature::Rdtscp, cpuid::kRdtscp},
    {Feature::Xsaveopt, cpuid::kXsaveopt},
    {Feature::Xsavec, cpuid::kXsavec},
    {Feature::Xgetbv1, cpuid::kXgetbv1},
};
static_assert(is_enum_table(kPlaces, &Place::feature));

}  // namespace

Features Features::all() {
  Features f;
  f.bits_ = ~u64{0} >> (64 - kFeatures);
  return f;
}

Features features_of(const CpuidTable& cpuid) {
  Features f;
  for (const Place& p : kPlaces) f.set(p.feature, cpuid.has(p.bit));
  return f;
}

}  // namespace pmusim::core
