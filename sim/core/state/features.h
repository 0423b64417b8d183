// SPDX-License-Identifier: Apache-2.0
// What CPUID enumerates and the core's behaviour depends on: instructions that are undefined (or another
// instruction) without it, and bits of control registers that are reserved without it.
#pragma once

#include "arch/cpuid.h"

namespace pmusim::core {

enum class Feature : u8 {
  Sep,  // SYSENTER, SYSEXIT
  Clflush,
  Pcid,
  Cx16,
  Movbe,
  Popcnt,
  Rdrand,
  Xsave,
  Fsgsbase,
  Bmi1,  // without: TZCNT's encoding is BSF
  Smep,
  Bmi2,
  Invpcid,
  Rdseed,
  Adx,
  Smap,
  Clflushopt,
  Clwb,
  Umip,
  Rdpid,
  Lahf64,
  Lzcnt,  // without: LZCNT's encoding is BSR
  Nx,
  Pages1g,
  Rdtscp,
  Xsaveopt,
  Xsavec,
  Xgetbv1,  // XGETBV with ECX 1
  Number
};

class Features {
 public:
  bool has(Feature f) const { return bits_ >> static_cast<unsigned>(f) & 1; }
  void set(Feature f, bool on = true) {
    const u64 one = u64{1} << static_cast<unsigned>(f);
    bits_ = on ? bits_ | one : bits_ & ~one;
  }
  Features operator&(const Features& other) const {
    Features both;
    both.bits_ = bits_ & other.bits_;
    return both;
  }
  static Features all();

 private:
  u64 bits_ = 0;
};

Features features_of(const CpuidTable& cpuid);
u64 cr4_bits(const Features& features);  // those that are not reserved

}  // namespace pmusim::core
