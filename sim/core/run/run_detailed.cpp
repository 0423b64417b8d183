// SPDX-License-Identifier: Apache-2.0
// The run loop under detailed timing: every instruction is given to the timing model once it has executed,
// with the addresses it had before. A faulting instruction therefore leaves no trace in time, caches or
// predictor. Flags are always exact, so a run may stop behind any instruction at which the cycle limit is
// reached. A loop of one block is advanced at once while no one watches, or only taken branches of which the
// last are kept: those are executed.
#include <algorithm>

#include "core/execute/string_ops.h"
#include "core/run/core_impl.h"

namespace pmusim::core {
namespace {

using Access = DynamicInstruction::Access;

// Closed form: iterations before the first comparison (more than the predictor's whole history), between the
// two that are compared, and that make it worth the time.
constexpr u64 kFirstRecurrence = 256, kPeriod = 8, kWorthwhile = 4096;
constexpr u64 kMostCycles = u64{1} << 40, kLine = 64;

// Without the checks of the segment, which are the instruction's own.
u64 linear_of(const Executor& x, u8 seg, u64 offset) {
  if (x.code64) return seg >= FS ? offset + x.s->seg[seg].base : offset;
  return static_cast<u32>(offset + x.s->seg[seg].base);
}
u64 string_address(const Executor& x, const MicroOp& op, Gpr pointer) {
  const u8 seg = pointer == RSI ? op.seg : static_cast<u8>(ES);
  return linear_of(x, seg, low_bytes(x.s->gpr[pointer], op.address_size));
}

}  // namespace

// Linear addresses of an instruction's accesses, before it executes.
void Core::Impl::capture_accesses(const MicroOp& op, const TimingOp& t) {
  DynamicInstruction& d = dynamic_;
  const auto load = [&](u64 linear) {
    Access& a = d.loads[d.load_count++ & 1];
    a.linear = linear;
    a.size = t.load_size;
  };
  const auto store = [&](u64 linear) {
    d.store.linear = linear;
    d.store.size = t.store_size;
    d.has_store = true;
  };
  if (t.accesses & (kLoadOperand | kStoreOperand | kPrefetch)) {
    const u64 offset = effective_offset(x, op);
    const u64 linear =
        op.address & kAddrFlat ? offset : linear_of(x, op.seg, low_bytes(offset, op.address_size));
    if (t.accesses & (kLoadOperand | kPrefetch)) load(linear);
    if (t.accesses & kStoreOperand) store(linear);
  }
  if (t.accesses & kPopStack) load(linear_of(x, SS, x.s->gpr[RSP] & stack_mask(x)));
  if (t.accesses & kPushStack) store(linear_of(x, SS, (x.s->gpr[RSP] - t.store_size) & stack_mask(x)));
  if (t.accesses & kLoadSource) load(string_address(x, op, RSI));
  if (t.accesses & (kLoadDestination | kStoreDestination)) {
    const u64 linear = string_address(x, op, RDI);
    if (t.accesses & kLoadDestination) load(linear);
    if (t.accesses & kStoreDestination) store(linear);
  }
}

// After it executed; true: the cycle limit is reached.
bool Core::Impl::time_instruction(const MicroOp& op) {
  DynamicInstruction& d = dynamic_;
  if (d.timing->accesses) {
    const auto place = [this](Access& a) {
      const Mmu::Place p = mmu.place(a.linear);
      a.physical = p.physical;
      a.page_shift = p.page_shift;
      a.global = p.global;
    };
    for (unsigned i = 0; i < d.load_count; ++i) place(d.loads[i]);
    if (d.has_store) place(d.store);
  }
  if (op.branch != OpBranch::None) {
    d.taken = op.branch != OpBranch::Conditional || x.taken;
    d.target = x.s->rip;
  }
  if (__builtin_expect(levels_ & Observer::kCycle, 0)) return time_observed();
  return timing.retire(d, core.counts_.in(context_)) >= limit_cycle_;
}

// The same with what happened told one by one.
bool Core::Impl::time_observed() {
  CountVector happenings{};
  const bool reached = timing.retire(dynamic_, happenings) >= limit_cycle_;
  account_time(context_);
  for (unsigned k = 0; k < kCounts; ++k)
    if (happenings[k]) happened(static_cast<Count>(k), happenings[k]);
  return reached;
}

// Where the instruction's code lies.
void Core::Impl::locate(const Block& block) {
  const u64 base = x.code64 ? 0 : x.s->seg[CS].base;
  code_linear_ = x.code64 ? block.key.rip : static_cast<u32>(base + block.key.rip);
  for (unsigned i : {0, 1}) {
    dynamic_.code_page_shift[i] = block.page_shift[i];
    dynamic_.code_global[i] = block.global[i];
  }
  dynamic_.second_code_page = block.second_page;
  dynamic_.iteration = false;
}

// RF says that iterations were executed before.
void Core::Impl::begin_repeat(const Block& block) {
  locate(block);
  DynamicInstruction& d = dynamic_;
  d.op = block.ops.data();
  d.timing = block.timing.data();
  d.ip = code_linear_;
  d.code_physical = block.key.physical;
  d.iteration = true;
  d.first_iteration = !(x.s->rflags & kRF);
  d.load_count = 0;
  d.has_store = false;
}

unsigned Core::Impl::execute_prefix_detailed(Block& block, u64 allowed) {
  block_ = &block;
  done_ = 0;
  locate(block);
  const MicroOp* op = block.ops.data();
  const Handler* handler = block.precise.data();
  const TimingOp* t = block.timing.data();
  x.end = op + std::min<u64>(block.count, allowed);
  do {
    x.op = op;
    const u64 offset = op->rip() - block.key.rip;
    dynamic_.ip = code_linear_ + offset;
    dynamic_.code_physical = block.key.physical + offset;
    capture(*op, *t++);
    (*handler++)(x, *op);
    if (__builtin_expect(time_instruction(*op), 0)) x.stop_after_this();
  } while (++op != x.end);
  return static_cast<unsigned>(op - block.ops.data());
}

// The block is a loop that has just branched to its own start for the `seen`-th time in a row. If the last
// iterations have left time and predictor in the same relative state, and registers as a loop in closed form
// does (loop.h), further ones are taken at once, as far as no limit is met. Returns their instructions.
u64 Core::Impl::skip_iterations(Block& block, u64 seen, u64 allowed) {
  Recurrence& r = recurrence_;
  CpuState& s = *x.s;
  const Loop& loop = *block.loop;
  const u64 last_byte = code_linear_ + (block.end_rip - block.key.rip) - 1;
  if (block.loads || code_linear_ / kLine != last_byte / kLine) return 0;
  if (loop.pauses() && x.intercepts && x.intercepts->instruction(ExitKind::Pause)) return 0;
  if (seen == kFirstRecurrence) {
    r.at = seen;
    r.taken = false;
  }
  if (seen < r.at) return 0;
  const u64 left = std::min(allowed / block.count, loop.counts() ? loop.iterations(s) : kNever);
  if (!r.taken) {
    r.at = left < kWorthwhile ? kNever : seen + kPeriod;
    if (r.at == kNever) return 0;
    r.taken = true;
    timing.pattern(r.from);
    std::copy(std::begin(s.gpr), std::end(s.gpr), r.gpr);
    r.rflags = s.rflags;
    return 0;
  }
  r.taken = false;
  timing.pattern(r.to);
  const bool same_registers = std::equal(std::begin(s.gpr), std::end(s.gpr), r.gpr) && r.rflags == s.rflags;
  const u64 cycles = r.to.cycle - r.from.cycle;
  if (r.from.words != r.to.words || !cycles || (!loop.counts() && !same_registers) || left < kPeriod) {
    r.at = 2 * seen;
    return 0;
  }
  const u64 kept = branches_kept_ / kPeriod + (branches_kept_ % kPeriod != 0);
  const auto before_kept = [kept](u64 periods) { return periods - std::min(periods, kept); };
  u64 times = std::min(timing.most_skips(r.from, r.to), before_kept((left - 1) / kPeriod));
  // One period fewer than the cycles allow: the limit then falls into iterations that are executed, so that a
  // stop inside one finds the flags of the one before it.
  const u64 periods = (std::min(limit_cycle_, timing.cycle() + kMostCycles) - 1 - timing.cycle()) / cycles;
  times = std::min(times, before_kept(periods ? periods - 1 : 0));
  const u64 n = times * kPeriod;
  r.at = times ? seen + kPeriod : 2 * seen;
  timing.skip(r.from, r.to, times);
  if (loop.counts()) loop.advance(s, n);
  block.runs[x.taken] += n;
  for (u64 i = std::min<u64>(n, kBranchRecords); i; --i) record_branch(block.ops.back().rip(), s.rip);
  return n * block.count;
}

u64 Core::Impl::execute_detailed(u64 allowed) {
  CpuState& s = *x.s;
  u64 used = 0, iterations = 0;
  const Block* last = nullptr;
  while (used < allowed && timing.cycle() < limit_cycle_) {
    Block& block = *find();
    if (block.repeat) return used + execute_repeat<true>(block, allowed - used);
    const unsigned executed = execute_prefix_detailed(block, allowed - used);
    used += executed;
    if (executed != block.count || x.slice | x.recheck) {
      retire_after(block, executed);
      break;
    }
    cache.count_run(block, x.taken);
    if (!block.branches)
      s.rip = block.end_rip;
    else if (s.rip != block.end_rip)
      record_branch(block.ops.back().rip(), s.rip);
    report_block(block, executed);
    if (!block.loop || s.rip != block.key.rip || !may_advance()) {
      last = nullptr;
      continue;
    }
    iterations = last == &block ? iterations + 1 : 0;
    last = &block;
    if (iterations >= kFirstRecurrence && timing.cycle() < limit_cycle_)
      used += skip_iterations(block, iterations, allowed - used);
  }
  return used;
}

}  // namespace pmusim::core
