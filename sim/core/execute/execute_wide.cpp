// SPDX-License-Identifier: Apache-2.0
// Bit tests and scans, multiplication and division, compare-and-exchange.
#include "base/bits.h"
#include "core/execute/alu.h"
#include "core/execute/execute.h"

namespace pmusim::core {
namespace {

template <BitOp Op, class T>
T changed(T value, T bit) {
  switch (Op) {
    case BitOp::Set:
      return value | bit;
    case BitOp::Reset:
      return static_cast<T>(value & ~bit);
    case BitOp::Complement:
      return value ^ bit;
    case BitOp::Test:
      break;
  }
  return value;
}
template <class T>
T bit_at(u64 index) {
  return static_cast<T>(u64{1} << (index & (alu::kBits<T> - 1)));
}

// CF is the old bit; the other flags keep their values (ZF by definition).
template <BitOp Op, bool Immediate>
struct BitReg {
  template <class T>
  static void run(Executor& x, const MicroOp& op) {
    const T bit = bit_at<T>(Immediate ? op.imm : get<T>(x, op.src)), value = get<T>(x, op.dst);
    alu::replace(x.s->rflags, kCF, (value & bit) != 0);
    if (Op != BitOp::Test) put<T>(x, op.dst, changed<Op, T>(value, bit));
  }
};
// A register bit offset is signed and reaches beyond the operand.
template <BitOp Op, bool Immediate>
struct BitMem {
  template <class T>
  static void run(Executor& x, const MicroOp& op) {
    u64 address;
    T bit;
    if (Immediate) {
      address = effective_address(x, op);
      bit = bit_at<T>(op.imm);
    } else {
      const s64 offset = static_cast<alu::Signed<T>>(get<T>(x, op.src));
      const u64 skip = static_cast<u64>(offset >> (sizeof(T) == 8 ? 6 : sizeof(T) == 4 ? 5 : 4)) * sizeof(T);
      address = segmented(x, op.seg, low_bytes(effective_offset(x, op) + skip, op.address_size), sizeof(T),
                          Op != BitOp::Test);
      bit = bit_at<T>(static_cast<u64>(offset));
    }
    const T value = Op == BitOp::Test ? x.mmu->read<T>(address) : x.mmu->read_for_write<T>(address);
    if (Op != BitOp::Test) x.mmu->write<T>(address, changed<Op, T>(value, bit));
    alu::replace(x.s->rflags, kCF, (value & bit) != 0);
  }
};
template <BitOp Op>
Handler bit_handler(bool memory, bool immediate, unsigned size) {
  if (memory) return immediate ? sized<BitMem<Op, true>>(size) : sized<BitMem<Op, false>>(size);
  return immediate ? sized<BitReg<Op, true>>(size) : sized<BitReg<Op, false>>(size);
}

// BSF and BSR of zero set ZF and leave the destination; the other flags are undefined and kept.
template <Scan Op, bool Memory>
struct ScanBits {
  template <class T>
  static void run(Executor& x, const MicroOp& op) {
    const T value = Memory ? load<T>(x, op) : get<T>(x, op.src);
    u64& flags = x.s->rflags;
    const u64 zero = value == 0 ? kZF : 0;
    switch (Op) {
      case Scan::Bsf:
        alu::replace(flags, kZF, zero);
        if (value) put<T>(x, op.dst, static_cast<T>(__builtin_ctzll(value)));
        break;
      case Scan::Bsr:
        alu::replace(flags, kZF, zero);
        if (value) put<T>(x, op.dst, static_cast<T>(63 - __builtin_clzll(value)));
        break;
      case Scan::Tzcnt:
      case Scan::Lzcnt: {
        T count = static_cast<T>(alu::kBits<T>);
        if (value)
          count = static_cast<T>(Op == Scan::Tzcnt
                                     ? __builtin_ctzll(value)
                                     : __builtin_clzll(value) - (64 - static_cast<int>(alu::kBits<T>)));
        put<T>(x, op.dst, count);
        alu::replace(flags, kCF | kZF, (value == 0) | (count == 0 ? kZF : 0));
        break;
      }
      case Scan::Popcnt:
        put<T>(x, op.dst, static_cast<T>(__builtin_popcountll(value)));
        alu::replace(flags, kArithmeticFlags, zero);
        break;
    }
  }
};
template <Scan Op>
Handler scan(bool memory, unsigned size) {
  return memory ? sized<ScanBits<Op, true>>(size) : sized<ScanBits<Op, false>>(size);
}

template <class T>
struct Wide {
  using U = std::conditional_t<sizeof(T) == 8, u128, u64>;
  __extension__ typedef __int128 s128;
  using S = std::conditional_t<sizeof(T) == 8, s128, s64>;
};

// DX:AX in the operand's size; AX for bytes.
template <class T>
typename Wide<T>::U get_double(Executor& x) {
  using U = typename Wide<T>::U;
  if (sizeof(T) == 1) return get<u16>(x, RAX * 8);
  return static_cast<U>(get<T>(x, RDX * 8)) << alu::kBits<T> | get<T>(x, RAX * 8);
}
template <class T>
void put_pair(Executor& x, T low, T high) {
  put<T>(x, RAX * 8, low);
  put<T>(x, sizeof(T) == 1 ? 1 : RDX * 8, high);
}

template <Multiply Op, bool Memory>
struct Accumulate {
  template <class T>
  static void run(Executor& x, const MicroOp& op) {
    using U = typename Wide<T>::U;
    using S = typename Wide<T>::S;
    using St = alu::Signed<T>;
    const T b = Memory ? load<T>(x, op) : get<T>(x, op.dst);
    const T a = get<T>(x, RAX * 8);
    if (Op == Multiply::Mul) {
      const U r = static_cast<U>(a) * b;
      const T high = static_cast<T>(r >> alu::kBits<T>);
      put_pair<T>(x, static_cast<T>(r), high);
      set_overflow(x, static_cast<T>(r), high != 0);
    } else if (Op == Multiply::Imul) {
      const S r = static_cast<S>(static_cast<St>(a)) * static_cast<St>(b);
      put_pair<T>(x, static_cast<T>(r), static_cast<T>(r >> alu::kBits<T>));
      set_overflow(x, static_cast<T>(r), r != static_cast<S>(static_cast<St>(r)));
    } else {
      if (b == 0) raise(kDE);
      const U dividend = get_double<T>(x);
      if (Op == Multiply::Div) {
        const U quotient = dividend / b;
        if (quotient >> alu::kBits<T>) raise(kDE);
        put_pair<T>(x, static_cast<T>(quotient), static_cast<T>(dividend % b));
      } else {
        // On magnitudes, so that the most negative dividend has no undefined quotient.
        constexpr unsigned kTop = 2 * alu::kBits<T> - 1;
        const bool negative = dividend >> kTop & 1, divisor_negative = alu::sign_bit(b);
        const U limit = static_cast<U>(1) << (alu::kBits<T> - 1);
        U magnitude = negative ? U{0} - dividend : dividend;
        if (kTop + 1 < sizeof(U) * 8) magnitude &= (static_cast<U>(1) << ((kTop + 1) % (sizeof(U) * 8))) - 1;
        const U by = divisor_negative ? static_cast<U>(static_cast<T>(T{0} - b)) : static_cast<U>(b);
        const U quotient = magnitude / by, remainder = magnitude % by;
        if (negative != divisor_negative ? quotient > limit : quotient >= limit) raise(kDE);
        put_pair<T>(x, static_cast<T>(negative != divisor_negative ? U{0} - quotient : quotient),
                    static_cast<T>(negative ? U{0} - remainder : remainder));
      }
    }
  }
  template <class T>
  static void set_overflow(Executor& x, T low, bool overflow) {
    // SF, ZF, AF and PF are undefined; SF and PF follow the low half as on current Intel CPUs.
    alu::replace(x.s->rflags, kArithmeticFlags,
                 (alu::result_flags(low) & ~kZF) | (overflow ? kCF | kOFlag : 0));
  }
};
template <Multiply Op>
Handler accumulate(bool memory, unsigned size) {
  return memory ? sized<Accumulate<Op, true>>(size) : sized<Accumulate<Op, false>>(size);
}

// IMUL r, r/m and IMUL r, r/m, imm.
template <bool Memory, bool Immediate>
struct ImulReg {
  template <class T>
  static void run(Executor& x, const MicroOp& op) {
    using S = typename Wide<T>::S;
    using St = alu::Signed<T>;
    const T a = Memory ? load<T>(x, op) : get<T>(x, op.src);
    const T b = Immediate ? static_cast<T>(op.imm) : get<T>(x, op.dst);
    const S r = static_cast<S>(static_cast<St>(a)) * static_cast<St>(b);
    put<T>(x, op.dst, static_cast<T>(r));
    Accumulate<Multiply::Imul, false>::set_overflow<T>(x, static_cast<T>(r),
                                                       r != static_cast<S>(static_cast<St>(r)));
  }
};

// A memory operand is always written: with the old value when the comparison fails. A register is then left
// alone, upper half included, as CPUs do (compared with a host CPU).
template <bool Memory>
struct Cmpxchg {
  template <class T>
  static void run(Executor& x, const MicroOp& op) {
    const u64 address = Memory ? effective_address(x, op) : 0;
    const T old = Memory ? x.mmu->read_for_write<T>(address) : get<T>(x, op.dst);
    const T accumulator = get<T>(x, RAX * 8);
    const bool equal = old == accumulator;
    if (Memory)
      x.mmu->write<T>(address, equal ? get<T>(x, op.src) : old);
    else if (equal)
      put<T>(x, op.dst, get<T>(x, op.src));
    if (!equal) put<T>(x, RAX * 8, old);
    alu::subtract<T, true>(accumulator, old, x.s->rflags);
  }
};

template <bool Memory>
struct Xadd {
  template <class T>
  static void run(Executor& x, const MicroOp& op) {
    u64 flags = x.s->rflags;
    if (Memory) {
      const u64 address = effective_address(x, op);
      const T old = x.mmu->read_for_write<T>(address);
      x.mmu->write<T>(address, alu::Add::apply<T, true>(old, get<T>(x, op.src), flags));
      put<T>(x, op.src, old);
    } else {
      const T old = get<T>(x, op.dst), sum = alu::Add::apply<T, true>(old, get<T>(x, op.src), flags);
      put<T>(x, op.src, old);
      put<T>(x, op.dst, sum);
    }
    x.s->rflags = flags;
  }
};

}  // namespace

Handler select_bit(BitOp op, bool memory, bool immediate, unsigned size) {
  switch (op) {
    case BitOp::Test:
      return bit_handler<BitOp::Test>(memory, immediate, size);
    case BitOp::Set:
      return bit_handler<BitOp::Set>(memory, immediate, size);
    case BitOp::Reset:
      return bit_handler<BitOp::Reset>(memory, immediate, size);
    case BitOp::Complement:
      return bit_handler<BitOp::Complement>(memory, immediate, size);
  }
  return nullptr;
}

Handler select_scan(Scan op, bool memory, unsigned size) {
  switch (op) {
    case Scan::Bsf:
      return scan<Scan::Bsf>(memory, size);
    case Scan::Bsr:
      return scan<Scan::Bsr>(memory, size);
    case Scan::Tzcnt:
      return scan<Scan::Tzcnt>(memory, size);
    case Scan::Lzcnt:
      return scan<Scan::Lzcnt>(memory, size);
    case Scan::Popcnt:
      return scan<Scan::Popcnt>(memory, size);
  }
  return nullptr;
}

Handler select_multiply(Multiply op, bool memory, unsigned size) {
  switch (op) {
    case Multiply::Mul:
      return accumulate<Multiply::Mul>(memory, size);
    case Multiply::Imul:
      return accumulate<Multiply::Imul>(memory, size);
    case Multiply::Div:
      return accumulate<Multiply::Div>(memory, size);
    case Multiply::Idiv:
      return accumulate<Multiply::Idiv>(memory, size);
  }
  return nullptr;
}

Handler select_imul(bool memory, bool immediate, unsigned size) {
  if (memory) return immediate ? sized<ImulReg<true, true>>(size) : sized<ImulReg<true, false>>(size);
  return immediate ? sized<ImulReg<false, true>>(size) : sized<ImulReg<false, false>>(size);
}

Handler select_cmpxchg(bool memory, unsigned size) {
  return memory ? sized<Cmpxchg<true>>(size) : sized<Cmpxchg<false>>(size);
}

Handler select_xadd(bool memory, unsigned size) {
  return memory ? sized<Xadd<true>>(size) : sized<Xadd<false>>(size);
}

namespace op {

void cmpxchg8b(Executor& x, const MicroOp& op) {
  const u64 address = effective_address(x, op);
  const u64 old = x.mmu->read_for_write<u64>(address);
  const u64 expected = x.s->gpr[RDX] << 32 | (x.s->gpr[RAX] & 0xffffffff);
  const u64 desired = x.s->gpr[RCX] << 32 | (x.s->gpr[RBX] & 0xffffffff);
  x.mmu->write<u64>(address, old == expected ? desired : old);
  alu::replace(x.s->rflags, kZF, old == expected ? kZF : 0);
  if (old != expected) put_pair<u32>(x, static_cast<u32>(old), static_cast<u32>(old >> 32));
}

void cmpxchg16b(Executor& x, const MicroOp& op) {
  const u64 address = effective_address(x, op);
  if (address & 15) raise_gp();
  const u64 low = x.mmu->read_for_write<u64>(address), high = x.mmu->read_for_write<u64>(address + 8);
  const bool equal = low == x.s->gpr[RAX] && high == x.s->gpr[RDX];
  x.mmu->write<u64>(address, equal ? x.s->gpr[RBX] : low);
  x.mmu->write<u64>(address + 8, equal ? x.s->gpr[RCX] : high);
  alu::replace(x.s->rflags, kZF, equal ? kZF : 0);
  if (!equal) put_pair<u64>(x, low, high);
}

}  // namespace op
}  // namespace pmusim::core
