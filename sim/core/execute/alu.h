// SPDX-License-Identifier: Apache-2.0
// Integer arithmetic with x86 flags, as pure functions: (operands, flags) -> (result, flags). Template
// parameter F false leaves the flags alone (they are dead). Undefined flags get the value that current CPUs
// give where it is known (AF of logic operations 0), else stay.
#pragma once

#include <type_traits>

#include "core/state/state.h"

namespace pmusim::core::alu {

template <class T>
inline constexpr unsigned kBits = sizeof(T) * 8;
template <class T>
using Signed = std::make_signed_t<T>;

template <class T>
constexpr T sign_bit(T value) {
  return static_cast<T>(value >> (kBits<T> - 1));
}

// PF, ZF and SF of a result.
template <class T>
inline u64 result_flags(T r) {
  const u64 parity = (~static_cast<u64>(__builtin_parity(static_cast<u8>(r))) & 1) << 2;
  return parity | static_cast<u64>(r == 0) << 6 | static_cast<u64>(sign_bit(r)) << 7;
}
inline void replace(u64& flags, u64 mask, u64 value) {
  flags = (flags & ~mask) | value;
}

struct Add {
  static constexpr bool kReadsFlags = false, kWrites = true;
  template <class T, bool F>
  static T apply(T a, T b, u64& flags) {
    const T r = static_cast<T>(a + b);
    if (F)
      replace(flags, kArithmeticFlags,
              result_flags(r) | (r < a) | static_cast<u64>((a ^ b ^ r) & 0x10) |
                  static_cast<u64>(sign_bit(static_cast<T>((a ^ r) & (b ^ r)))) << 11);
    return r;
  }
};

struct Adc {
  static constexpr bool kReadsFlags = true, kWrites = true;
  template <class T, bool F>
  static T apply(T a, T b, u64& flags) {
    const T carry = static_cast<T>(flags & kCF);
    const T partial = static_cast<T>(a + b);
    const T r = static_cast<T>(partial + carry);
    if (F)
      replace(flags, kArithmeticFlags,
              result_flags(r) | ((partial < a) | (r < partial)) | static_cast<u64>((a ^ b ^ r) & 0x10) |
                  static_cast<u64>(sign_bit(static_cast<T>((a ^ r) & (b ^ r)))) << 11);
    return r;
  }
};

template <class T, bool F>
inline T subtract(T a, T b, u64& flags) {
  const T r = static_cast<T>(a - b);
  if (F)
    replace(flags, kArithmeticFlags,
            result_flags(r) | (a < b) | static_cast<u64>((a ^ b ^ r) & 0x10) |
                static_cast<u64>(sign_bit(static_cast<T>((a ^ b) & (a ^ r)))) << 11);
  return r;
}

struct Sub {
  static constexpr bool kReadsFlags = false, kWrites = true;
  template <class T, bool F>
  static T apply(T a, T b, u64& flags) {
    return subtract<T, F>(a, b, flags);
  }
};
struct Cmp {
  static constexpr bool kReadsFlags = false, kWrites = false;
  template <class T, bool F>
  static T apply(T a, T b, u64& flags) {
    return subtract<T, F>(a, b, flags);
  }
};

struct Sbb {
  static constexpr bool kReadsFlags = true, kWrites = true;
  template <class T, bool F>
  static T apply(T a, T b, u64& flags) {
    const T borrow = static_cast<T>(flags & kCF);
    const T r = static_cast<T>(a - b - borrow);
    if (F)
      replace(flags, kArithmeticFlags,
              result_flags(r) | ((a < b) | (a == b && borrow)) | static_cast<u64>((a ^ b ^ r) & 0x10) |
                  static_cast<u64>(sign_bit(static_cast<T>((a ^ b) & (a ^ r)))) << 11);
    return r;
  }
};

struct And {
  static constexpr bool kReadsFlags = false, kWrites = true;
  template <class T, bool F>
  static T apply(T a, T b, u64& flags) {
    const T r = a & b;
    if (F) replace(flags, kArithmeticFlags, result_flags(r));
    return r;
  }
};
struct Test : And {
  static constexpr bool kWrites = false;
};
struct Or {
  static constexpr bool kReadsFlags = false, kWrites = true;
  template <class T, bool F>
  static T apply(T a, T b, u64& flags) {
    const T r = a | b;
    if (F) replace(flags, kArithmeticFlags, result_flags(r));
    return r;
  }
};
struct Xor {
  static constexpr bool kReadsFlags = false, kWrites = true;
  template <class T, bool F>
  static T apply(T a, T b, u64& flags) {
    const T r = a ^ b;
    if (F) replace(flags, kArithmeticFlags, result_flags(r));
    return r;
  }
};

// One operand. INC and DEC keep CF.
struct Inc {
  template <class T, bool F>
  static T apply(T a, u64& flags) {
    const T r = static_cast<T>(a + 1);
    if (F)
      replace(flags, kArithmeticFlags & ~kCF,
              result_flags(r) | static_cast<u64>((a ^ r) & 0x10) |
                  static_cast<u64>(sign_bit(static_cast<T>(~a & r))) << 11);
    return r;
  }
};
struct Dec {
  template <class T, bool F>
  static T apply(T a, u64& flags) {
    const T r = static_cast<T>(a - 1);
    if (F)
      replace(flags, kArithmeticFlags & ~kCF,
              result_flags(r) | static_cast<u64>((a ^ r) & 0x10) |
                  static_cast<u64>(sign_bit(static_cast<T>(a & ~r))) << 11);
    return r;
  }
};
struct Neg {
  template <class T, bool F>
  static T apply(T a, u64& flags) {
    return subtract<T, F>(T{0}, a, flags);
  }
};
struct Not {
  template <class T, bool F>
  static T apply(T a, u64&) {
    return static_cast<T>(~a);
  }
};

// Shifts and rotates. The count is masked to 5 bits (6 for 64-bit operands); 0 changes no flag. OF is defined
// for a count of 1 and set by the same rule for larger counts, as current CPUs do for most of them.
template <class T>
inline unsigned masked(u8 count) {
  return count & (sizeof(T) == 8 ? 63 : 31);
}
inline u64 overflow(bool o) {
  return static_cast<u64>(o) << 11;
}

struct Shl {
  template <class T, bool F>
  static T apply(T a, u8 by, u64& flags) {
    const unsigned n = masked<T>(by);
    if (n == 0) return a;
    const T r = n < kBits<T> ? static_cast<T>(a << n) : T{0};
    if (F) {
      const bool carry = n <= kBits<T> && (static_cast<u64>(a) >> (kBits<T> - n) & 1);
      replace(flags, kArithmeticFlags, result_flags(r) | carry | overflow(carry != (sign_bit(r) != 0)));
    }
    return r;
  }
};
struct Shr {
  template <class T, bool F>
  static T apply(T a, u8 by, u64& flags) {
    const unsigned n = masked<T>(by);
    if (n == 0) return a;
    const T r = n < kBits<T> ? static_cast<T>(a >> n) : T{0};
    if (F) {
      const bool carry = n <= kBits<T> && (static_cast<u64>(a) >> (n - 1) & 1);
      replace(flags, kArithmeticFlags, result_flags(r) | carry | overflow(sign_bit(a) != 0));
    }
    return r;
  }
};
struct Sar {
  template <class T, bool F>
  static T apply(T a, u8 by, u64& flags) {
    const unsigned n = masked<T>(by);
    if (n == 0) return a;
    const s64 wide = static_cast<Signed<T>>(a);
    const T r = static_cast<T>(wide >> (n < 63 ? n : 63));
    if (F) replace(flags, kArithmeticFlags, result_flags(r) | (wide >> (n - 1) & 1));
    return r;
  }
};
struct Rol {
  template <class T, bool F>
  static T apply(T a, u8 by, u64& flags) {
    const unsigned n = masked<T>(by), k = n % kBits<T>;
    if (n == 0) return a;
    const T r = k ? static_cast<T>(a << k | a >> (kBits<T> - k)) : a;
    if (F) replace(flags, kCF | kOFlag, (r & 1) | overflow((r & 1) != sign_bit(r)));
    return r;
  }
};
struct Ror {
  template <class T, bool F>
  static T apply(T a, u8 by, u64& flags) {
    const unsigned n = masked<T>(by), k = n % kBits<T>;
    if (n == 0) return a;
    const T r = k ? static_cast<T>(a >> k | a << (kBits<T> - k)) : a;
    if (F) replace(flags, kCF | kOFlag, sign_bit(r) | overflow(sign_bit(r) != (r >> (kBits<T> - 2) & 1)));
    return r;
  }
};
// Through carry: rotation of width+1 bits.
struct Rcl {
  template <class T, bool F>
  static T apply(T a, u8 by, u64& flags) {
    const unsigned n = masked<T>(by) % (kBits<T> + 1);
    if (n == 0) return a;
    const u128 wide = static_cast<u128>(flags & kCF) << kBits<T> | a;
    const u128 turned = wide << n | wide >> (kBits<T> + 1 - n);
    const T r = static_cast<T>(turned);
    const bool carry = turned >> kBits<T> & 1;
    replace(flags, kCF | kOFlag, carry | overflow(carry != (sign_bit(r) != 0)));
    return r;
  }
};
struct Rcr {
  template <class T, bool F>
  static T apply(T a, u8 by, u64& flags) {
    const unsigned n = masked<T>(by) % (kBits<T> + 1);
    if (n == 0) return a;
    const u128 wide = static_cast<u128>(flags & kCF) << kBits<T> | a;
    const u128 turned = wide >> n | wide << (kBits<T> + 1 - n);
    const T r = static_cast<T>(turned);
    const bool carry = turned >> kBits<T> & 1;
    replace(flags, kCF | kOFlag, carry | overflow(sign_bit(r) != (r >> (kBits<T> - 2) & 1)));
    return r;
  }
};

// Double shifts. 16-bit operands with a count above 16 have an undefined result.
template <class T>
inline T shld(T a, T b, u8 by, u64& flags) {
  const unsigned n = masked<T>(by);
  if (n == 0) return a;
  if (n > kBits<T>) return a;
  const u128 wide = static_cast<u128>(a) << kBits<T> | b;
  const T r = static_cast<T>(wide << n >> kBits<T>);
  const bool carry = a >> (kBits<T> - n) & 1;
  replace(flags, kArithmeticFlags, result_flags(r) | carry | overflow(sign_bit(r) != sign_bit(a)));
  return r;
}
template <class T>
inline T shrd(T a, T b, u8 by, u64& flags) {
  const unsigned n = masked<T>(by);
  if (n == 0) return a;
  if (n > kBits<T>) return a;
  const u128 wide = static_cast<u128>(b) << kBits<T> | a;
  const T r = static_cast<T>(wide >> n);
  const bool carry = a >> (n - 1) & 1;
  replace(flags, kArithmeticFlags, result_flags(r) | carry | overflow(sign_bit(r) != sign_bit(a)));
  return r;
}

// Condition codes 0-15 as in Jcc, SETcc, CMOVcc.
inline bool condition(unsigned code, u64 flags) {
  bool result;
  switch (code >> 1) {
    case 0:
      result = flags & kOFlag;
      break;
    case 1:
      result = flags & kCF;
      break;
    case 2:
      result = flags & kZF;
      break;
    case 3:
      result = flags & (kCF | kZF);
      break;
    case 4:
      result = flags & kSF;
      break;
    case 5:
      result = flags & kPFlag;
      break;
    case 6:
      result = (flags >> 7 ^ flags >> 11) & 1;
      break;
    default:
      result = ((flags >> 7 ^ flags >> 11) & 1) || (flags & kZF);
      break;
  }
  return result != (code & 1);
}

}  // namespace pmusim::core::alu
