// SPDX-License-Identifier: Apache-2.0
// Arithmetic, logic and shifts on registers and memory. Memory forms always keep flags exact.
#include "core/execute/alu.h"
#include "core/execute/execute.h"

namespace pmusim::core {
namespace {

struct FromReg {
  template <class T>
  static T of(Executor& x, const MicroOp& op) {
    return get<T>(x, op.src);
  }
};
struct FromImm {
  template <class T>
  static T of(Executor&, const MicroOp& op) {
    return static_cast<T>(op.imm);
  }
};
struct FromMem {
  template <class T>
  static T of(Executor& x, const MicroOp& op) {
    return load<T>(x, op);
  }
};

template <class Op, class Source, bool F>
struct ToReg {
  template <class T>
  static void run(Executor& x, const MicroOp& op) {
    const T b = Source::template of<T>(x, op);
    const T r = Op::template apply<T, F>(get<T>(x, op.dst), b, x.s->rflags);
    if (Op::kWrites) put<T>(x, op.dst, r);
  }
};
template <class Op, class Source>
struct ToMem {
  template <class T>
  static void run(Executor& x, const MicroOp& op) {
    const u64 address = effective_address(x, op);
    u64 flags = x.s->rflags;
    if (Op::kWrites) {
      const T a = x.mmu->read_for_write<T>(address);
      const T r = Op::template apply<T, true>(a, Source::template of<T>(x, op), flags);
      x.mmu->write<T>(address, r);
    } else {
      Op::template apply<T, true>(x.mmu->read<T>(address), Source::template of<T>(x, op), flags);
    }
    x.s->rflags = flags;
  }
};

template <class Op>
Handlers binary(Form form, unsigned size) {
  switch (form) {
    case Form::RegReg:
      return {sized<ToReg<Op, FromReg, true>>(size), sized<ToReg<Op, FromReg, false>>(size)};
    case Form::RegImm:
      return {sized<ToReg<Op, FromImm, true>>(size), sized<ToReg<Op, FromImm, false>>(size)};
    case Form::RegMem:
      return {sized<ToReg<Op, FromMem, true>>(size)};
    case Form::MemReg:
      return {sized<ToMem<Op, FromReg>>(size)};
    case Form::MemImm:
      return {sized<ToMem<Op, FromImm>>(size)};
    default:
      return {};
  }
}

template <class Op, bool F>
struct UnaryReg {
  template <class T>
  static void run(Executor& x, const MicroOp& op) {
    put<T>(x, op.dst, Op::template apply<T, F>(get<T>(x, op.dst), x.s->rflags));
  }
};
template <class Op>
struct UnaryMem {
  template <class T>
  static void run(Executor& x, const MicroOp& op) {
    const u64 address = effective_address(x, op);
    u64 flags = x.s->rflags;
    x.mmu->write<T>(address, Op::template apply<T, true>(x.mmu->read_for_write<T>(address), flags));
    x.s->rflags = flags;
  }
};
template <class Op>
Handlers unary(bool memory, unsigned size) {
  if (memory) return {sized<UnaryMem<Op>>(size)};
  return {sized<UnaryReg<Op, true>>(size), sized<UnaryReg<Op, false>>(size)};
}

struct ByImm {
  static u8 of(Executor&, const MicroOp& op) { return static_cast<u8>(op.imm); }
};
struct ByCl {
  static u8 of(Executor& x, const MicroOp&) { return static_cast<u8>(x.s->gpr[RCX]); }
};
template <class Op, class By, bool F>
struct ShiftReg {
  template <class T>
  static void run(Executor& x, const MicroOp& op) {
    put<T>(x, op.dst, Op::template apply<T, F>(get<T>(x, op.dst), By::of(x, op), x.s->rflags));
  }
};
template <class Op, class By>
struct ShiftMem {
  template <class T>
  static void run(Executor& x, const MicroOp& op) {
    const u64 address = effective_address(x, op);
    u64 flags = x.s->rflags;
    const T r = Op::template apply<T, true>(x.mmu->read_for_write<T>(address), By::of(x, op), flags);
    x.mmu->write<T>(address, r);
    x.s->rflags = flags;
  }
};
template <class Op>
Handlers shift(bool memory, bool by_cl, unsigned size) {
  if (memory) return {by_cl ? sized<ShiftMem<Op, ByCl>>(size) : sized<ShiftMem<Op, ByImm>>(size)};
  if (by_cl) return {sized<ShiftReg<Op, ByCl, true>>(size), sized<ShiftReg<Op, ByCl, false>>(size)};
  return {sized<ShiftReg<Op, ByImm, true>>(size), sized<ShiftReg<Op, ByImm, false>>(size)};
}

template <bool Left, class By>
struct DoubleShiftReg {
  template <class T>
  static void run(Executor& x, const MicroOp& op) {
    const T a = get<T>(x, op.dst), b = get<T>(x, op.src);
    put<T>(x, op.dst,
           Left ? alu::shld<T>(a, b, By::of(x, op), x.s->rflags)
                : alu::shrd<T>(a, b, By::of(x, op), x.s->rflags));
  }
};
template <bool Left, class By>
struct DoubleShiftMem {
  template <class T>
  static void run(Executor& x, const MicroOp& op) {
    const u64 address = effective_address(x, op);
    const T a = x.mmu->read_for_write<T>(address), b = get<T>(x, op.src);
    u64 flags = x.s->rflags;
    x.mmu->write<T>(
        address, Left ? alu::shld<T>(a, b, By::of(x, op), flags) : alu::shrd<T>(a, b, By::of(x, op), flags));
    x.s->rflags = flags;
  }
};
template <bool Left>
Handler double_shift(bool memory, bool by_cl, unsigned size) {
  if (memory)
    return by_cl ? sized<DoubleShiftMem<Left, ByCl>>(size) : sized<DoubleShiftMem<Left, ByImm>>(size);
  return by_cl ? sized<DoubleShiftReg<Left, ByCl>>(size) : sized<DoubleShiftReg<Left, ByImm>>(size);
}

}  // namespace

Handlers select_binary(Binary op, Form form, unsigned size) {
  switch (op) {
    case Binary::Add:
      return binary<alu::Add>(form, size);
    case Binary::Or:
      return binary<alu::Or>(form, size);
    case Binary::Adc:
      return binary<alu::Adc>(form, size);
    case Binary::Sbb:
      return binary<alu::Sbb>(form, size);
    case Binary::And:
      return binary<alu::And>(form, size);
    case Binary::Sub:
      return binary<alu::Sub>(form, size);
    case Binary::Xor:
      return binary<alu::Xor>(form, size);
    case Binary::Cmp:
      return binary<alu::Cmp>(form, size);
    case Binary::Test:
      return binary<alu::Test>(form, size);
  }
  return {};
}

Handlers select_unary(Unary op, bool memory, unsigned size) {
  switch (op) {
    case Unary::Inc:
      return unary<alu::Inc>(memory, size);
    case Unary::Dec:
      return unary<alu::Dec>(memory, size);
    case Unary::Neg:
      return unary<alu::Neg>(memory, size);
    case Unary::Not:
      return unary<alu::Not>(memory, size);
  }
  return {};
}

Handlers select_shift(Shift op, bool memory, bool by_cl, unsigned size) {
  switch (op) {
    case Shift::Rol:
      return shift<alu::Rol>(memory, by_cl, size);
    case Shift::Ror:
      return shift<alu::Ror>(memory, by_cl, size);
    case Shift::Rcl:
      return {shift<alu::Rcl>(memory, by_cl, size).precise};
    case Shift::Rcr:
      return {shift<alu::Rcr>(memory, by_cl, size).precise};
    case Shift::Shl:
      return shift<alu::Shl>(memory, by_cl, size);
    case Shift::Shr:
      return shift<alu::Shr>(memory, by_cl, size);
    case Shift::Sar:
      return shift<alu::Sar>(memory, by_cl, size);
  }
  return {};
}

Handler select_double_shift(bool left, bool memory, bool by_cl, unsigned size) {
  return left ? double_shift<true>(memory, by_cl, size) : double_shift<false>(memory, by_cl, size);
}

}  // namespace pmusim::core
