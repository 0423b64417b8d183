// SPDX-License-Identifier: Apache-2.0
// Moves, extensions, exchanges, conditional moves, conversions and flag instructions.
#include "base/bits.h"
#include "core/execute/alu.h"
#include "core/execute/execute.h"

namespace pmusim::core {
namespace {

struct MoveRegReg {
  template <class T>
  static void run(Executor& x, const MicroOp& op) {
    put<T>(x, op.dst, get<T>(x, op.src));
  }
};
struct MoveRegImm {
  template <class T>
  static void run(Executor& x, const MicroOp& op) {
    put<T>(x, op.dst, static_cast<T>(op.imm));
  }
};
struct MoveRegMem {
  template <class T>
  static void run(Executor& x, const MicroOp& op) {
    put<T>(x, op.dst, load<T>(x, op));
  }
};
struct MoveMemReg {
  template <class T>
  static void run(Executor& x, const MicroOp& op) {
    x.mmu->write<T>(effective_address(x, op), get<T>(x, op.src));
  }
};
struct MoveMemImm {
  template <class T>
  static void run(Executor& x, const MicroOp& op) {
    x.mmu->write<T>(effective_address(x, op), static_cast<T>(op.imm));
  }
};

template <class From, bool Sign, bool Memory>
struct Extend {
  template <class T>
  static void run(Executor& x, const MicroOp& op) {
    const From value = Memory ? load<From>(x, op) : get<From>(x, op.src);
    put<T>(x, op.dst,
           Sign ? static_cast<T>(static_cast<s64>(static_cast<alu::Signed<From>>(value)))
                : static_cast<T>(value));
  }
};
template <class From>
Handler extend(bool sign, bool memory, unsigned to) {
  if (sign) return memory ? sized<Extend<From, true, true>>(to) : sized<Extend<From, true, false>>(to);
  return memory ? sized<Extend<From, false, true>>(to) : sized<Extend<From, false, false>>(to);
}

struct ExchangeReg {
  template <class T>
  static void run(Executor& x, const MicroOp& op) {
    const T a = get<T>(x, op.dst), b = get<T>(x, op.src);
    put<T>(x, op.dst, b);
    put<T>(x, op.src, a);
  }
};
struct ExchangeMem {
  template <class T>
  static void run(Executor& x, const MicroOp& op) {
    const u64 address = effective_address(x, op);
    const T a = x.mmu->read_for_write<T>(address);
    x.mmu->write<T>(address, get<T>(x, op.src));
    put<T>(x, op.src, a);
  }
};

// The source is read, and the upper half of a 32-bit destination cleared, whatever the condition.
template <bool Memory>
struct Cmov {
  template <class T>
  static void run(Executor& x, const MicroOp& op) {
    const T value = Memory ? load<T>(x, op) : get<T>(x, op.src);
    put<T>(x, op.dst, alu::condition(op.aux, x.s->rflags) ? value : get<T>(x, op.dst));
  }
};

}  // namespace

Handler select_move(Form form, unsigned size) {
  switch (form) {
    case Form::RegReg:
      return sized<MoveRegReg>(size);
    case Form::RegImm:
      return sized<MoveRegImm>(size);
    case Form::RegMem:
      return sized<MoveRegMem>(size);
    case Form::MemReg:
      return sized<MoveMemReg>(size);
    case Form::MemImm:
      return sized<MoveMemImm>(size);
    default:
      return nullptr;
  }
}

Handler select_extend(bool sign, bool memory, unsigned from, unsigned to) {
  switch (from) {
    case 1:
      return extend<u8>(sign, memory, to);
    case 2:
      return extend<u16>(sign, memory, to);
    default:
      return extend<u32>(sign, memory, to);
  }
}

Handler select_exchange(bool memory, unsigned size) {
  return memory ? sized<ExchangeMem>(size) : sized<ExchangeReg>(size);
}

Handler select_cmov(bool memory, unsigned size) {
  return memory ? sized<Cmov<true>>(size) : sized<Cmov<false>>(size);
}

u64 read_sized(Executor& x, u64 linear, unsigned size) {
  switch (size) {
    case 1:
      return x.mmu->read<u8>(linear);
    case 2:
      return x.mmu->read<u16>(linear);
    case 4:
      return x.mmu->read<u32>(linear);
    default:
      return x.mmu->read<u64>(linear);
  }
}

void write_sized(Executor& x, u64 linear, u64 value, unsigned size) {
  switch (size) {
    case 1:
      x.mmu->write<u8>(linear, static_cast<u8>(value));
      break;
    case 2:
      x.mmu->write<u16>(linear, static_cast<u16>(value));
      break;
    case 4:
      x.mmu->write<u32>(linear, static_cast<u32>(value));
      break;
    default:
      x.mmu->write<u64>(linear, value);
      break;
  }
}

namespace op {

void nop(Executor&, const MicroOp&) {}

void lea(Executor& x, const MicroOp& op) {
  put_sized(x, op.dst, low_bytes(effective_offset(x, op), op.address_size), op.size);
}

void setcc_reg(Executor& x, const MicroOp& op) {
  put<u8>(x, op.dst, alu::condition(op.aux, x.s->rflags));
}
void setcc_mem(Executor& x, const MicroOp& op) {
  x.mmu->write<u8>(effective_address(x, op), alu::condition(op.aux, x.s->rflags));
}

void convert_accumulator(Executor& x, const MicroOp& op) {
  put_sized(x, 0, sign_extend(x.s->gpr[RAX], op.size * 4), op.size);
}

void convert_double(Executor& x, const MicroOp& op) {
  put_sized(x, RDX * 8, x.s->gpr[RAX] >> (op.size * 8 - 1) & 1 ? ~u64{0} : 0, op.size);
}

void bswap(Executor& x, const MicroOp& op) {
  if (op.size == 8)
    put<u64>(x, op.dst, __builtin_bswap64(get<u64>(x, op.dst)));
  else if (op.size == 4)
    put<u32>(x, op.dst, __builtin_bswap32(get<u32>(x, op.dst)));
  else
    put<u16>(x, op.dst, 0);  // undefined; current CPUs give 0
}

void xlat(Executor& x, const MicroOp& op) {
  const u64 offset = low_bytes(x.s->gpr[RBX] + (x.s->gpr[RAX] & 0xff), op.address_size);
  put<u8>(x, 0, x.mmu->read<u8>(segmented(x, op.seg, offset, 1, false)));
}

inline constexpr u64 kAhFlags = kSF | kZF | kAF | kPFlag | kCF;
void lahf(Executor& x, const MicroOp&) {
  put<u8>(x, 1, static_cast<u8>((x.s->rflags & kAhFlags) | kFixed1));
}
void sahf(Executor& x, const MicroOp&) {
  alu::replace(x.s->rflags, kAhFlags, get<u8>(x, 1) & kAhFlags);
}
void clc(Executor& x, const MicroOp&) {
  x.s->rflags &= ~kCF;
}
void stc(Executor& x, const MicroOp&) {
  x.s->rflags |= kCF;
}
void cmc(Executor& x, const MicroOp&) {
  x.s->rflags ^= kCF;
}
void cld(Executor& x, const MicroOp&) {
  x.s->rflags &= ~kDFlag;
}
void std_(Executor& x, const MicroOp&) {
  x.s->rflags |= kDFlag;
}

}  // namespace op
}  // namespace pmusim::core
