// SPDX-License-Identifier: Apache-2.0
// Recognition of simple loops, and how long they go on.
#include "core/run/loop.h"

#include <algorithm>

#include "base/bits.h"
#include "core/execute/execute.h"

namespace pmusim::core {
namespace {

__extension__ typedef __int128 s128;

u64 value_of(const CpuState& s, u8 reg, unsigned size) {
  return low_bytes(s.gpr[reg / 8], size);
}

// Inverse of an odd number modulo 2^64, by Newton's iteration.
u64 inverse(u64 odd) {
  u64 x = odd;
  for (int i = 0; i < 6; ++i) x *= 2 - odd * x;
  return x;
}

u64 saturated(s128 n) {
  return n > static_cast<s128>(kNever) ? kNever : static_cast<u64>(n);
}

// Terms of a, a + delta, a + 2 delta, ... from the first on that lie in [low, high].
u64 terms_inside(s128 a, s128 delta, s128 low, s128 high) {
  if (a < low || a > high) return 0;
  return saturated((delta > 0 ? (high - a) / delta : (a - low) / -delta) + 1);
}

}  // namespace

const Loop::Step* Loop::step_of(u8 reg) const {
  for (const Step& step : steps_)
    if (step.reg == reg) return &step;
  return nullptr;
}

bool Loop::add_step(u8 reg, u8 size, u64 delta) {
  if (size < 4) return false;
  for (Step& step : steps_)
    if (step.reg == reg) {
      step.delta += delta;
      return step.size == size;
    }
  steps_.push_back({reg, size, delta});
  return true;
}

// One operation of the body; false if its effect is not a constant step or a comparison.
bool Loop::add(const MicroOp& op, Operation what) {
  if (what.is(Op::NOP)) return true;
  if (what.is(Op::PAUSE)) return pauses_ = true;
  const Step* before = step_of(op.dst);
  const auto compare = [&](u64 value, bool carry, bool order) {
    compare_ = {};
    compare_.reg = op.dst;
    compare_.size = op.size;
    compare_.offset = before ? before->delta : 0;
    compare_.value = low_bytes(value, op.size);
    compare_.carry = carry;
    compare_.order = order;
    compares_ = true;
  };
  if (op.size < 4) return false;
  if (what.is(Op::LEA))
    return op.address == (kAddrBase | (op.address & kAddrFlat)) && op.base * 8 == op.dst &&
           op.address_size == op.size && add_step(op.dst, op.size, op.disp);
  if (what.is(Op::INC, Form::Reg)) {
    compare(~u64{0}, false, false);
    return add_step(op.dst, op.size, 1);
  }
  if (what.is(Op::DEC, Form::Reg)) {
    compare(1, false, true);
    return add_step(op.dst, op.size, ~u64{0});
  }
  if (what.is(Op::ADD, Form::RegImm)) {
    compare(-op.imm, false, false);
    return add_step(op.dst, op.size, op.imm);
  }
  if (what.is(Op::SUB, Form::RegImm)) {
    compare(op.imm, true, true);
    return add_step(op.dst, op.size, -op.imm);
  }
  if (what.is(Op::CMP, Form::RegImm)) return compare(op.imm, true, true), true;
  if (what.is(Op::TEST, Form::RegReg) && op.dst == op.src) return compare(0, true, true), true;
  if (what.is(Op::CMP, Form::RegReg)) {
    compare(0, true, true);
    compare_.with_register = true;
    compare_.other = op.src;
    return true;
  }
  return false;
}

bool Loop::add_branch(const MicroOp& op, Op what) {
  if (what == Op::JMP) return true;
  if (what == Op::LOOP) {
    ends_ = Ends::Counted;
    count_size_ = op.address_size;
    return op.aux == 2 && !step_of(RCX * 8) && add_step(RCX * 8, op.address_size, ~u64{0});
  }
  if (what != Op::JCC) return false;
  if (!compares_) return true;  // flags that nothing changes: taken for ever
  ends_ = Ends::Compared;
  condition_ = op.aux;
  const Step* step = step_of(compare_.reg);
  if (step && step->size != compare_.size) return false;
  if (compare_.with_register && step_of(compare_.other)) return false;
  switch (op.aux >> 1) {
    case 1:
    case 3:
      return compare_.carry;
    case 6:
    case 7:
      return compare_.order;
    case 2:
    case 4:
      return true;
    default:
      return false;  // overflow and parity
  }
}

std::unique_ptr<Loop> Loop::of(const std::vector<MicroOp>& ops, const std::vector<Operation>& what,
                               u64 start) {
  const MicroOp& branch = ops.back();
  const bool back = branch.branch == OpBranch::Conditional || branch.branch == OpBranch::DirectJump;
  if (!back || branch.imm != start) return nullptr;
  auto loop = std::make_unique<Loop>();
  const std::size_t last = ops.size() - 1;
  for (std::size_t i = 0; i < last; ++i) {
    const bool plain = ops[i].flags & kOpPlain;
    if (!plain && !what[i].is(Op::NOP) && !what[i].is(Op::PAUSE)) return nullptr;
    if (loop->counts_) loop->counts_ = loop->add(ops[i], what[i]);
    loop->pauses_ |= what[i].is(Op::PAUSE);
  }
  if (loop->counts_) loop->counts_ = loop->add_branch(branch, what[last].op);
  return loop;
}

// With the first comparison at distance `difference` below equality: comparisons before the equal one.
u64 Loop::while_unequal(u64 difference, u64 delta, unsigned bits) const {
  const unsigned even = static_cast<unsigned>(__builtin_ctzll(delta));
  if (difference & mask(even)) return kNever;
  return ((difference >> even) * inverse(delta >> even)) & mask(bits - even);
}

u64 Loop::compared(const CpuState& s) const {
  const Compare& c = compare_;
  const unsigned bits = c.size * 8;
  const Step* step = step_of(c.reg);
  const u64 delta = step ? step->delta & mask(bits) : 0;
  u64 a = (value_of(s, c.reg, c.size) + c.offset) & mask(bits);
  u64 b = c.with_register ? value_of(s, c.other, c.size) : c.value;
  const bool negated = condition_ & 1;
  unsigned relation = condition_ >> 1;
  if (relation == 2) {
    if (delta == 0) return (a == b) != negated ? kNever : 0;
    if (!negated) return a == b;
    return while_unequal((b - a) & mask(bits), delta, bits);
  }
  if (relation == 4) {  // the sign of the difference
    a = (a - b) & mask(bits);
    b = 0;
    relation = 6;
  }
  const bool is_signed = relation >= 6, or_equal = relation == 3 || relation == 7;
  const auto wide = [&](u64 v) {
    return is_signed ? static_cast<s128>(static_cast<s64>(sign_extend(v, bits))) : static_cast<s128>(v);
  };
  const s128 top = static_cast<s128>(mask(is_signed ? bits - 1 : bits)), bottom = is_signed ? -top - 1 : 0;
  const s128 edge = wide(b) - (or_equal ? 0 : 1);  // a <= edge is the condition
  const s128 low = negated ? edge + 1 : bottom, high = negated ? top : edge;
  if (delta == 0) return wide(a) >= low && wide(a) <= high ? kNever : 0;
  return terms_inside(wide(a), static_cast<s64>(sign_extend(delta, bits)), low, high);
}

u64 Loop::iterations(const CpuState& s) const {
  switch (ends_) {
    case Ends::Never:
      return kNever;
    case Ends::Counted:
      return low_bytes(value_of(s, RCX * 8, count_size_) - 1, count_size_);
    case Ends::Compared:
      break;
  }
  return compared(s);
}

void Loop::advance(CpuState& s, u64 n) const {
  for (const Step& step : steps_) {
    u64& reg = s.gpr[step.reg / 8];
    reg = low_bytes(reg + n * step.delta, step.size);
  }
}

}  // namespace pmusim::core
