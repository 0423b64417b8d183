// SPDX-License-Identifier: Apache-2.0
// BMI1, BMI2, ADX and MOVBE. `aux` is the register of the VEX.vvvv operand. Undefined flags: AF 0, PF and SF
// by the result, as current CPUs do (compared with a host CPU).
#include "core/execute/alu.h"
#include "core/execute/execute.h"

namespace pmusim::core {
namespace {

template <bool Memory>
struct Source {
  template <class T>
  static T of(Executor& x, const MicroOp& op) {
    return Memory ? load<T>(x, op) : get<T>(x, op.src);
  }
};

void set_flags(Executor& x, u64 value) {
  alu::replace(x.s->rflags, kArithmeticFlags, value);
}
template <class T>
constexpr T low_mask(unsigned bits) {
  return bits >= alu::kBits<T> ? static_cast<T>(~T{0}) : static_cast<T>((T{1} << bits) - 1);
}

// Operations of (source, VEX.vvvv) with flags.
struct Andn {
  template <class T>
  static T apply(T a, T b, u64& flags) {
    const T r = static_cast<T>(~b & a);
    flags = alu::result_flags(r);
    return r;
  }
};
struct Bextr {
  template <class T>
  static T apply(T a, T b, u64& flags) {
    const unsigned start = b & 0xff, length = b >> 8 & 0xff;
    const T shifted = start < alu::kBits<T> ? static_cast<T>(a >> start) : T{0};
    const T r = shifted & low_mask<T>(length);
    flags = alu::result_flags(r) & ~kSF;
    return r;
  }
};
struct Bzhi {
  template <class T>
  static T apply(T a, T b, u64& flags) {
    const unsigned index = b & 0xff;
    const T r = a & low_mask<T>(index);
    flags = alu::result_flags(r) | (index >= alu::kBits<T> ? kCF : 0);
    return r;
  }
};
template <class Op, bool Memory>
struct Ternary {
  template <class T>
  static void run(Executor& x, const MicroOp& op) {
    const T a = Source<Memory>::template of<T>(x, op);
    u64 flags;
    put<T>(x, op.dst, Op::apply(a, get<T>(x, op.aux), flags));
    set_flags(x, flags);
  }
};

// BLSI, BLSMSK, BLSR: the lowest set bit alone, up to it, all but it.
template <LowestBit Op, bool Memory>
struct Lowest {
  template <class T>
  static void run(Executor& x, const MicroOp& op) {
    const T a = Source<Memory>::template of<T>(x, op);
    const T less = static_cast<T>(a - 1);
    const T r = Op == LowestBit::Isolate ? static_cast<T>(a & (T{0} - a))
                : Op == LowestBit::Mask  ? a ^ less
                                         : a & less;
    const bool carry = (a == 0) != (Op == LowestBit::Isolate);
    put<T>(x, op.dst, r);
    set_flags(x, (alu::result_flags(r) & (Op == LowestBit::Mask ? ~kZF : ~u64{0})) | carry);
  }
};

// Operations without flags, of (source, VEX.vvvv or immediate).
struct Pdep {
  template <class T>
  static T apply(T mask, T value) {
    T r = 0;
    for (; mask; mask &= static_cast<T>(mask - 1), value = static_cast<T>(value >> 1))
      if (value & 1) r |= mask & static_cast<T>(T{0} - mask);
    return r;
  }
};
struct Pext {
  template <class T>
  static T apply(T mask, T value) {
    T r = 0;
    for (T to = 1; mask; mask &= static_cast<T>(mask - 1), to = static_cast<T>(to << 1))
      if (value & mask & static_cast<T>(T{0} - mask)) r |= to;
    return r;
  }
};
struct Sarx {
  template <class T>
  static T apply(T a, T b) {
    return static_cast<T>(static_cast<alu::Signed<T>>(a) >> (b & (alu::kBits<T> - 1)));
  }
};
struct Shlx {
  template <class T>
  static T apply(T a, T b) {
    return static_cast<T>(a << (b & (alu::kBits<T> - 1)));
  }
};
struct Shrx {
  template <class T>
  static T apply(T a, T b) {
    return static_cast<T>(a >> (b & (alu::kBits<T> - 1)));
  }
};
struct Rorx {
  template <class T>
  static T apply(T a, T b) {
    const unsigned n = b & (alu::kBits<T> - 1);
    return n ? static_cast<T>(a >> n | a << (alu::kBits<T> - n)) : a;
  }
};
template <class Op, bool Memory, bool Immediate>
struct Flagless {
  template <class T>
  static void run(Executor& x, const MicroOp& op) {
    const T a = Source<Memory>::template of<T>(x, op);
    put<T>(x, op.dst, Op::apply(a, Immediate ? static_cast<T>(op.imm) : get<T>(x, op.aux)));
  }
};

// dst: high half, aux: low half; where they are the same register it gets the high half.
template <bool Memory>
struct Mulx {
  template <class T>
  static void run(Executor& x, const MicroOp& op) {
    const u128 r = static_cast<u128>(Source<Memory>::template of<T>(x, op)) * get<T>(x, RDX * 8);
    put<T>(x, op.aux, static_cast<T>(r));
    put<T>(x, op.dst, static_cast<T>(r >> alu::kBits<T>));
  }
};

// ADCX, ADOX: addition with one flag as carry, the others kept.
template <u64 Flag, bool Memory>
struct AddFlag {
  template <class T>
  static void run(Executor& x, const MicroOp& op) {
    const u128 r = static_cast<u128>(Source<Memory>::template of<T>(x, op)) + get<T>(x, op.dst) +
                   ((x.s->rflags & Flag) != 0);
    put<T>(x, op.dst, static_cast<T>(r));
    alu::replace(x.s->rflags, Flag, r >> alu::kBits<T> ? Flag : 0);
  }
};

template <class T>
T swapped(T value) {
  return sizeof(T) == 8   ? static_cast<T>(__builtin_bswap64(value))
         : sizeof(T) == 4 ? static_cast<T>(__builtin_bswap32(static_cast<u32>(value)))
                          : static_cast<T>(__builtin_bswap16(static_cast<u16>(value)));
}
template <bool Store>
struct Movbe {
  template <class T>
  static void run(Executor& x, const MicroOp& op) {
    if (Store)
      x.mmu->write<T>(effective_address(x, op), swapped(get<T>(x, op.src)));
    else
      put<T>(x, op.dst, swapped(load<T>(x, op)));
  }
};

template <class Op>
Handler ternary(bool memory, unsigned size) {
  return memory ? sized<Ternary<Op, true>>(size) : sized<Ternary<Op, false>>(size);
}
template <class Op, bool Immediate = false>
Handler flagless(bool memory, unsigned size) {
  return memory ? sized<Flagless<Op, true, Immediate>>(size) : sized<Flagless<Op, false, Immediate>>(size);
}
template <LowestBit Op>
Handler lowest(bool memory, unsigned size) {
  return memory ? sized<Lowest<Op, true>>(size) : sized<Lowest<Op, false>>(size);
}

}  // namespace

Handler select_bmi(Bmi op, bool memory, unsigned size) {
  switch (op) {
    case Bmi::Andn:
      return ternary<Andn>(memory, size);
    case Bmi::Bextr:
      return ternary<Bextr>(memory, size);
    case Bmi::Bzhi:
      return ternary<Bzhi>(memory, size);
    case Bmi::Pdep:
      return flagless<Pdep>(memory, size);
    case Bmi::Pext:
      return flagless<Pext>(memory, size);
    case Bmi::Sarx:
      return flagless<Sarx>(memory, size);
    case Bmi::Shlx:
      return flagless<Shlx>(memory, size);
    case Bmi::Shrx:
      return flagless<Shrx>(memory, size);
    case Bmi::Rorx:
      return flagless<Rorx, true>(memory, size);
    case Bmi::Mulx:
      return memory ? sized<Mulx<true>>(size) : sized<Mulx<false>>(size);
  }
  return nullptr;
}

Handler select_lowest_bit(LowestBit op, bool memory, unsigned size) {
  switch (op) {
    case LowestBit::Isolate:
      return lowest<LowestBit::Isolate>(memory, size);
    case LowestBit::Mask:
      return lowest<LowestBit::Mask>(memory, size);
    case LowestBit::Reset:
      return lowest<LowestBit::Reset>(memory, size);
  }
  return nullptr;
}

Handler select_add_flag(bool overflow, bool memory, unsigned size) {
  if (overflow) return memory ? sized<AddFlag<kOFlag, true>>(size) : sized<AddFlag<kOFlag, false>>(size);
  return memory ? sized<AddFlag<kCF, true>>(size) : sized<AddFlag<kCF, false>>(size);
}

Handler select_movbe(bool store, unsigned size) {
  return store ? sized<Movbe<true>>(size) : sized<Movbe<false>>(size);
}

}  // namespace pmusim::core
