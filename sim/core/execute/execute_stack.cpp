// SPDX-License-Identifier: Apache-2.0
// Stack instructions. RSP is committed only after the last access that can fault.
#include "core/execute/execute.h"

namespace pmusim::core {
namespace {

struct PushReg {
  template <class T>
  static void run(Executor& x, const MicroOp& op) {
    push<T>(x, get<T>(x, op.dst));
  }
};
struct PushImm {
  template <class T>
  static void run(Executor& x, const MicroOp& op) {
    push<T>(x, static_cast<T>(op.imm));
  }
};
struct PushMem {
  template <class T>
  static void run(Executor& x, const MicroOp& op) {
    push<T>(x, load<T>(x, op));
  }
};
struct PopReg {
  template <class T>
  static void run(Executor& x, const MicroOp& op) {
    const T value = top<T>(x);
    drop(x, sizeof(T));
    put<T>(x, op.dst, value);
  }
};
// The address of the destination is computed with RSP already incremented.
struct PopMem {
  template <class T>
  static void run(Executor& x, const MicroOp& op) {
    const T value = top<T>(x);
    const u64 before = x.s->gpr[RSP];
    drop(x, sizeof(T));
    const u64 after = x.s->gpr[RSP], offset = effective_offset(x, op);
    x.s->gpr[RSP] = before;
    x.mmu->write<T>(operand_linear(x, op, offset), value);
    x.s->gpr[RSP] = after;
  }
};

u64 top_sized(Executor& x, unsigned size, u64 offset = 0) {
  return size == 2 ? top<u16>(x, offset) : size == 4 ? top<u32>(x, offset) : top<u64>(x, offset);
}
void push_sized(Executor& x, u64 value, unsigned size) {
  if (size == 2)
    push<u16>(x, static_cast<u16>(value));
  else if (size == 4)
    push<u32>(x, static_cast<u32>(value));
  else
    push<u64>(x, value);
}

}  // namespace

Handler select_push(bool memory, bool immediate, unsigned size) {
  return memory ? sized<PushMem>(size) : immediate ? sized<PushImm>(size) : sized<PushReg>(size);
}
Handler select_pop(bool memory, unsigned size) {
  return memory ? sized<PopMem>(size) : sized<PopReg>(size);
}

namespace op {

// A selector in 32 bits of the stack: Intel's CPUs access its 16 bits alone, AMD's all 32.
unsigned selector_size(const Executor& x, const MicroOp& op) {
  return op.size == 4 && !x.config->amd ? 2 : op.size;
}

void push_segment(Executor& x, const MicroOp& op) {
  const u64 mask = stack_mask(x), sp = (x.s->gpr[RSP] - op.size) & mask;
  const unsigned size = selector_size(x, op);
  write_sized(x, stack_linear(x, sp, size, true), x.s->seg[op.dst].selector, size);
  set_sp(x, mask, sp);
}

void pop_segment(Executor& x, const MicroOp& op) {
  begin_system(x, op);
  const u16 selector = static_cast<u16>(top_sized(x, selector_size(x, op)));
  const u64 mask = stack_mask(x);
  load_segment(x, static_cast<Seg>(op.dst), selector);
  set_sp(x, mask, x.s->gpr[RSP] + op.size);
  if (op.dst == SS) x.s->interrupt_shadow = x.s->debug_shadow = true;
}

void pushf(Executor& x, const MicroOp& op) {
  check_8086_iopl(x);
  push_sized(x, pushf_value(x), op.size);
}

void popf(Executor& x, const MicroOp& op) {
  begin_system(x, op);
  check_8086_iopl(x);
  const u64 value = top_sized(x, op.size);
  popf_value(x, value, op.size);
  drop(x, op.size);
}

void pusha(Executor& x, const MicroOp& op) {
  const u64 mask = stack_mask(x), old = x.s->gpr[RSP];
  for (unsigned r = 0; r < 8; ++r) {
    const u64 linear = stack_linear(x, (old - (r + 1) * op.size) & mask, op.size, true);
    write_sized(x, linear, x.s->gpr[r], op.size);
  }
  set_sp(x, mask, old - 8 * op.size);
}

void popa(Executor& x, const MicroOp& op) {
  u64 value[8];
  for (unsigned r = 0; r < 8; ++r) value[r] = top_sized(x, op.size, (7 - r) * op.size);
  drop(x, 8 * op.size);
  for (unsigned r = 0; r < 8; ++r)
    if (r != RSP) put_sized(x, static_cast<u8>(r * 8), value[r], op.size);
}

// ENTER size, level: pushes RBP and level - 1 frame pointers of the enclosing procedures.
void enter(Executor& x, const MicroOp& op) {
  const u64 mask = stack_mask(x), old = x.s->gpr[RSP];
  const unsigned level = op.aux & 31;
  u64 sp = (old - op.size) & mask;
  write_sized(x, stack_linear(x, sp, op.size, true), x.s->gpr[RBP], op.size);
  // With a 16-bit stack the frame pointer keeps the other bits of ESP (observed on both vendors' CPUs).
  const u64 frame = (old & ~mask) | sp;
  for (unsigned i = 1; i < level; ++i) {
    const u64 link =
        read_sized(x, stack_linear(x, (x.s->gpr[RBP] - i * op.size) & mask, op.size, false), op.size);
    sp = (sp - op.size) & mask;
    write_sized(x, stack_linear(x, sp, op.size, true), link, op.size);
  }
  if (level) {
    sp = (sp - op.size) & mask;
    write_sized(x, stack_linear(x, sp, op.size, true), frame, op.size);
  }
  sp = (sp - op.imm) & mask;
  // SDM Vol. 2, ENTER: faults as a write at the new top would.
  x.mmu->probe_write(stack_linear(x, sp, op.size, true), op.size);
  set_sp(x, mask, sp);
  put_sized(x, RBP * 8, frame, op.size);
}

void leave(Executor& x, const MicroOp& op) {
  const u64 mask = stack_mask(x), frame = x.s->gpr[RBP] & mask;
  const u64 value = read_sized(x, stack_linear(x, frame, op.size, false), op.size);
  set_sp(x, mask, frame + op.size);
  put_sized(x, RBP * 8, value, op.size);
}

}  // namespace op
}  // namespace pmusim::core
