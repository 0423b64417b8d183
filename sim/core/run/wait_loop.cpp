// SPDX-License-Identifier: Apache-2.0
// One iteration of a waiting loop, executed on what is known of each register.
#include "core/run/wait_loop.h"

#include <algorithm>
#include <optional>

#include "base/bits.h"
#include "core/execute/execute.h"

namespace pmusim::core {
namespace {

constexpr unsigned kMostBlocks = 4;

// Of a register: a constant `n`, parts of the clock, the clock plus `n`, or something else.
struct Value {
  enum Kind : u8 { Constant, Low, High, Shifted, Clock, Other } kind = Other;
  u64 n = 0;
};

class Iteration {
 public:
  Iteration(BlockCache& cache, const CpuState& state) : cache_(&cache), start_(state.rip) {
    for (unsigned r = 0; r < 16; ++r) values_[r] = {Value::Constant, state.gpr[r]};
    values_[RAX] = {Value::Low, 0};
    values_[RDX] = {Value::High, 0};
    clock_ = low_bytes(state.gpr[RAX], 4) | state.gpr[RDX] << 32;
  }

  bool follow(u64 rip, unsigned blocks = 0);
  // What one iteration leaves is not what the next one reads.
  bool repeats() const { return !(read_ & written_ & ~(bit(RAX) | bit(RDX))); }
  WaitLoop result() const { return {pauses_, first_, last_, left()}; }

 private:
  struct Compare {
    Value left, right;
    u8 condition = 0;
    bool taken = false;
  };

  bool execute(const MicroOp& op, Operation what);
  u64 left() const;
  Value read(u8 reg) {
    read_ |= bit(reg / 8) & ~written_;
    return values_[reg / 8];
  }
  void write(u8 reg, Value value) {
    written_ |= bit(reg / 8);
    values_[reg / 8] = value;
  }

  BlockCache* cache_;
  u64 start_, clock_;
  Value values_[16];
  u64 read_ = 0, written_ = 0;  // registers: read before they were written, written
  std::optional<Compare> flags_, ends_;
  bool pauses_ = false;
  u64 first_ = kNever, last_ = 0;  // bytes of code
};

Value sum(Value a, Value b) {
  if (a.kind == Value::Constant) std::swap(a, b);
  if (b.kind == Value::Constant && (a.kind == Value::Clock || a.kind == Value::Constant))
    return {a.kind, a.n + b.n};
  const bool halves = (a.kind == Value::Shifted && b.kind == Value::Low) ||
                      (a.kind == Value::Low && b.kind == Value::Shifted);
  return halves ? Value{Value::Clock, 0} : Value{};
}

// False for what is not known to leave memory and everything but general registers and flags alone.
bool Iteration::execute(const MicroOp& op, Operation what) {
  if (what.is(Op::NOP)) return true;
  if (what.is(Op::PAUSE)) return pauses_ = true;
  const bool whole = (op.size == 8 || op.size == 4) && op.dst % 8 == 0 && op.dst < kXmm;
  if (!whole) return false;
  const auto source = [&](bool immediate) {
    return immediate ? Value{Value::Constant, op.imm} : read(op.src);
  };
  if (what.is(Op::MOV, Form::RegReg)) {
    const Value from = read(op.src);
    const bool same = op.size == 8 || from.kind == Value::Low || from.kind == Value::High;
    return write(op.dst, same ? from : Value{}), true;
  }
  if (op.size != 8) return false;
  if (what.is(Op::SHL, Form::RegImm)) {
    const bool up = op.imm == 32 && read(op.dst).kind == Value::High;
    write(op.dst, up ? Value{Value::Shifted, 0} : Value{});
    flags_.reset();
    return true;
  }
  for (const bool immediate : {false, true}) {
    const Form form = immediate ? Form::RegImm : Form::RegReg;
    if (what.is(Op::CMP, form)) {
      const Value left = read(op.dst);
      flags_ = Compare{left, source(immediate)};
      return true;
    }
    if (what.is(Op::OR, form) || what.is(Op::ADD, form) || what.is(Op::SUB, form)) {
      const Value left = read(op.dst);
      Value right = source(immediate);
      if (what.is(Op::SUB, form))
        right = right.kind == Value::Constant ? Value{right.kind, -right.n} : Value{};
      const bool disjoint = left.kind != Value::Constant && right.kind != Value::Constant;
      write(op.dst, what.is(Op::OR, form) && !disjoint ? Value{} : sum(left, right));
      flags_.reset();
      return true;
    }
  }
  return false;
}

// From there to the RDTSC that the state stands behind.
bool Iteration::follow(u64 rip, unsigned blocks) {
  const Block* block = blocks < kMostBlocks ? cache_->find(rip) : nullptr;
  if (!block || block->loads || block->stores) return false;
  for (unsigned i = 0; i < block->count; ++i) {
    const MicroOp& op = block->ops[i];
    const Operation what = block->what[i];
    first_ = std::min(first_, op.rip());
    last_ = std::max(last_, op.next_rip - 1);
    if (what.is(Op::RDTSC)) return op.next_rip == start_ && ends_;
    if (what.is(Op::JMP, Form::Imm)) return follow(op.imm, blocks + 1);
    if (what.is(Op::JCC)) {
      if (ends_ || !flags_) return false;
      flags_->condition = op.aux;
      const Iteration before = *this;
      for (const bool taken : {true, false}) {
        flags_->taken = taken;
        ends_ = flags_;
        if (follow(taken ? op.imm : op.next_rip, blocks + 1)) return true;
        *this = before;
      }
      return false;
    }
    if (!execute(op, what)) return false;
  }
  return !block->branches && follow(block->end_rip, blocks + 1);
}

// The loop goes on while clock + n lies in an interval that has one end at 0 or at the largest number.
u64 Iteration::left() const {
  Value value = ends_->left, bound = ends_->right;
  const bool swapped = value.kind == Value::Constant;
  if (swapped) std::swap(value, bound);
  const unsigned relation = ends_->condition >> 1;
  if (value.kind != Value::Clock || bound.kind != Value::Constant || (relation != 1 && relation != 3))
    return 0;
  const bool negated = (ends_->condition & 1) == ends_->taken;
  // Unswapped: relation 1 is clock < bound, 3 is clock <= bound. Swapped: bound < clock, bound <= clock.
  const bool below = swapped == negated, equal = (relation == 3) != negated;
  if (!equal && bound.n == (below ? 0 : kNever)) return 0;
  const u64 last = below ? bound.n - !equal : kNever, first = below ? 0 : bound.n + !equal;
  const u64 now = clock_ + value.n;
  return now >= first && now <= last ? last - now : 0;
}

}  // namespace

bool find_wait_loop(BlockCache& cache, const CpuState& state, WaitLoop& loop) {
  Iteration iteration(cache, state);
  if (!iteration.follow(state.rip) || !iteration.repeats()) return false;
  loop = iteration.result();
  return loop.left != 0;
}

}  // namespace pmusim::core
