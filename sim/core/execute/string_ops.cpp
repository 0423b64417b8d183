// SPDX-License-Identifier: Apache-2.0
// Iterations of string instructions, and what is peculiar to repeated ones.
#include "core/execute/string_ops.h"

#include "base/bits.h"
#include "core/execute/alu.h"

namespace pmusim::core {
namespace {

u64 step(const Executor& x, unsigned size) {
  return x.s->rflags & kDFlag ? -static_cast<u64>(size) : size;
}
u64 source(const Executor& x, const MicroOp& op) {
  return segmented(x, op.seg, low_bytes(x.s->gpr[RSI], op.address_size), op.size, false);
}
u64 destination(const Executor& x, const MicroOp& op, bool store = true) {
  return segmented(x, ES, low_bytes(x.s->gpr[RDI], op.address_size), op.size, store);
}
void advance(Executor& x, const MicroOp& op, Gpr pointer) {
  put_sized(x, static_cast<u8>(pointer * 8), x.s->gpr[pointer] + step(x, op.size), op.address_size);
}
void count_down(Executor& x, const MicroOp& op) {
  if (op.aux) put_sized(x, RCX * 8, x.s->gpr[RCX] - 1, op.address_size);
}

// String I/O is checked, and exits where the control block intercepts it (qualification bit 25), before
// anything is accessed.
void check_string_io(Executor& x, const MicroOp& op, bool input) {
  const u16 port = static_cast<u16>(x.s->gpr[RDX]);
  check_io_permission(x, port, op.size);
  if (!x.intercepts || !x.intercepts->io(port, op.size)) return;
  ExitRequest request;
  request.exit.kind = ExitKind::Io;
  request.exit.qualification = port | u64{op.size} << 16 | u64{input} << 24 | u64{1} << 25;
  throw request;
}

template <StringOp Op>
struct Iteration {
  template <class T>
  static void run(Executor& x, const MicroOp& op) {
    switch (Op) {
      case StringOp::Movs:
        x.mmu->write<T>(destination(x, op), x.mmu->read<T>(source(x, op)));
        advance(x, op, RSI);
        advance(x, op, RDI);
        break;
      case StringOp::Cmps: {
        const T a = x.mmu->read<T>(source(x, op)), b = x.mmu->read<T>(destination(x, op, false));
        alu::subtract<T, true>(a, b, x.s->rflags);
        advance(x, op, RSI);
        advance(x, op, RDI);
        break;
      }
      case StringOp::Stos:
        x.mmu->write<T>(destination(x, op), get<T>(x, RAX * 8));
        advance(x, op, RDI);
        break;
      case StringOp::Lods:
        put<T>(x, RAX * 8, x.mmu->read<T>(source(x, op)));
        advance(x, op, RSI);
        break;
      case StringOp::Scas:
        alu::subtract<T, true>(get<T>(x, RAX * 8), x.mmu->read<T>(destination(x, op, false)), x.s->rflags);
        advance(x, op, RDI);
        break;
      case StringOp::Ins: {
        begin_system(x, op);
        check_string_io(x, op, true);
        const u64 address = destination(x, op);
        x.mmu->probe_write(address, sizeof(T));
        x.mmu->write<T>(address, static_cast<T>(in(x, static_cast<u16>(x.s->gpr[RDX]), sizeof(T))));
        advance(x, op, RDI);
        break;
      }
      case StringOp::Outs:
        begin_system(x, op);
        check_string_io(x, op, false);
        out(x, static_cast<u16>(x.s->gpr[RDX]), x.mmu->read<T>(source(x, op)), sizeof(T));
        advance(x, op, RSI);
        break;
    }
    count_down(x, op);
  }
};

}  // namespace

// SDM Vol. 2, "REP/REPE/REPZ/REPNE/REPNZ", on page faults of CMPS and SCAS with REPNE: "the EFLAGS value may
// be restored to the state prior to the execution of the instruction". Intel's CPUs do, for every fault, and
// with REPE too.
void begin_repeated(Executor& x, const MicroOp& op) {
  for (const unsigned n : set_bits(op.imm)) {
    u64& r = x.s->gpr[n];
    r = static_cast<u32>(r);
  }
  if (x.config->amd || static_cast<Repeat>(op.aux) < Repeat::Repe) return;
  const bool goes_on = x.s->repeat_flags && x.s->rflags & kRF;  // the run loop sets RF between iterations
  if (!goes_on) x.s->repeat_flags = x.s->rflags;
}

void abandon_repeated(CpuState& s) {
  if (s.repeat_flags) s.rflags = (s.rflags & ~kArithmeticFlags) | (s.repeat_flags & kArithmeticFlags);
  leave_repeated(s);
}

Handler select_string(StringOp op, unsigned size) {
  switch (op) {
    case StringOp::Movs:
      return sized<Iteration<StringOp::Movs>>(size);
    case StringOp::Cmps:
      return sized<Iteration<StringOp::Cmps>>(size);
    case StringOp::Stos:
      return sized<Iteration<StringOp::Stos>>(size);
    case StringOp::Lods:
      return sized<Iteration<StringOp::Lods>>(size);
    case StringOp::Scas:
      return sized<Iteration<StringOp::Scas>>(size);
    case StringOp::Ins:
      return sized<Iteration<StringOp::Ins>>(size);
    case StringOp::Outs:
      return sized<Iteration<StringOp::Outs>>(size);
  }
  return nullptr;
}

}  // namespace pmusim::core
