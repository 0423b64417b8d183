// SPDX-License-Identifier: Apache-2.0
// The run loop. Whole blocks execute in the fast loop while the limits allow; everything else (limits inside
// a block, REP, single stepping, RF, the interrupt shadow, observers) executes a prefix of a block.
#include <fmt/format.h>

#include <algorithm>

#include "base/bits.h"
#include "core/decode/decode.h"
#include "core/execute/string_ops.h"
#include "core/run/core_impl.h"
#include "core/state/unimplemented.h"
#include "core/system/task_switch.h"

namespace pmusim::core {
namespace {
constexpr u64 kDr6SingleStep = 1 << 14;
}

Core::Impl::Impl(Core& owner, Ram& r, CoreEnv& e, Timing& t)
    : core(owner),
      ram(r),
      env(e),
      timing(t),
      mmu(r, e),
      cache(r, mmu, owner.counts_),
      detailed_(t.detailed()) {
  cache.set_timing(detailed_);
  x.mmu = &mmu;
  x.env = &env;
  x.timing = &timing;
  x.config = &config;
  x.core = this;
  x.sync = [](void* self) { static_cast<Impl*>(self)->synchronize(); };
  x.commit = [](void* self) { static_cast<Impl*>(self)->commit(); };
  mmu.set_outside_hook(
      [](void* self, bool mmio) {
        Impl& impl = *static_cast<Impl*>(self);
        impl.commit();
        if (mmio) impl.x.stall(Cost::Mmio);
        impl.synchronize();
        impl.x.slice = true;
        if (impl.x.op) impl.x.stop_after_this();
      },
      this);
  accounted_ = timing.cycle();
}

void Core::Impl::bind_state(CpuState* state) {
  core.state_ = state;
  x.s = state;
  mmu.set_state(state);
  fresh_ = true;
  waiting_.seen = 0;
}

u64 Core::Impl::allowance(const Limit& limit, u64 remaining) const {
  if (limit.cycle == kNever) return remaining;
  if (timing.cycle() >= limit.cycle) return 0;
  if (detailed_) return remaining;  // the loop looks at the cycle itself
  const u64 before = timing.instructions_before(limit.cycle);
  return std::min(remaining, before ? before : 1);
}

// Mode, context and address space for the next instructions.
void Core::Impl::prepare() {
  CpuState& s = *x.s;
  const u8 now = static_cast<u8>(core.context());
  if (now != context_) {
    account_time(context_);
    context_ = now;
  }
  x.code64 = s.code64();
  const u64 cs_base = x.code64 ? 0 : s.seg[CS].base, cs_limit = x.code64 ? kNever : s.seg[CS].limit;
  if (fresh_) {
    x.op = nullptr;
    mmu.fetch(x.code64 ? s.rip : static_cast<u32>(cs_base + s.rip));
    fresh_ = false;
  }
  const unsigned real = s.real_segments() ? kRealMode : 0;
  cache.enter(x.code64 ? 8 : (s.seg[CS].big() ? 4 : 2) | real, context_, tag_, cs_base, cs_limit);
}

Block* Core::Impl::find() {
  if (Block* block = cache.find(x.s->rip)) return block;
  x.op = nullptr;  // a fault now is the fetch's
  return cache.find_slow(x.s->rip);
}

// After a run that was not the whole block, or that must be looked at.
void Core::Impl::retire_after(Block& block, unsigned executed) {
  const MicroOp& last = block.ops[executed - 1];
  retire_range(done_, executed);
  done_ = executed;
  if (!(last.flags & kOpSetsRip))
    x.s->rip = last.next_rip;
  else if (x.s->rip != last.next_rip)
    record_branch(last.rip(), x.s->rip);
  report_block(block, executed);
}

void Core::Impl::report_block(const Block& block, unsigned executed) {
  if (!levels_) return;
  if (levels_ & Observer::kTaken) report_taken(block.ops[executed - 1]);
  for (Observer* o : observers_)
    if (o->levels() & Observer::kBlock) o->on_block(block.key.rip, executed);
}

u64 Core::Impl::execute_some(Block& block, u64 allowed) {
  if (block.repeat)
    return detailed_ ? execute_repeat<true>(block, allowed) : execute_repeat<false>(block, allowed);
  if (detailed_) {
    const unsigned executed = execute_prefix_detailed(block, allowed);
    retire_after(block, executed);
    return executed;
  }
  block_ = &block;
  done_ = 0;
  const MicroOp* op = block.ops.data();
  const Handler* handler = block.precise.data();
  x.end = op + std::min<u64>(block.count, allowed);
  do {
    x.op = op;
    (*handler++)(x, *op);
  } while (++op != x.end);
  const unsigned executed = static_cast<unsigned>(op - block.ops.data());
  retire_after(block, executed);
  return executed;
}

// Each iteration is a slot of time and counts against the limit. Between iterations RIP stays and RF is set,
// so that an interrupt taken there pushes it (SDM Vol. 3, "Restart flag").
template <bool kDetailed>
u64 Core::Impl::execute_repeat(Block& block, u64 allowed) {
  block_ = &block;
  done_ = 0;
  iterations_ = 0;
  const MicroOp& op = block.ops[0];
  x.op = &op;
  if (kDetailed) begin_repeat(block);
  begin_repeated(x, op);
  bool finished = repeat_count(x, op) == 0;
  u64 used = finished;
  if (kDetailed && finished) time_instruction(op);
  while (!finished && used < allowed && !x.slice && !x.recheck) {
    if (kDetailed) capture(op, block.timing[0]);
    op.run(x, op);
    ++iterations_;
    ++used;
    finished = repeat_done(x, op);
    if (kDetailed && time_instruction(op)) break;
    if (kDetailed) dynamic_.first_iteration = false;
  }
  retire_repeat(finished);
  if (finished) {
    leave_repeated(*x.s);
    x.s->rip = op.next_rip;
    x.s->rflags &= ~kRF;
    report_block(block, 1);
  } else {
    x.s->rip = op.rip();
    x.s->rflags |= kRF;
  }
  return used;
}

// One instruction under stepping, TF, RF, an interrupt shadow or breakpoints. An instruction breakpoint is a
// fault, a data breakpoint a trap after the instruction (SDM Vol. 3, "Debug Exception (#DB)").
u64 Core::Impl::execute_single(u64 allowed, Stop& stop, bool& stopped) {
  CpuState& s = *x.s;
  const bool trap = s.rflags & kTF, shadow = s.interrupt_shadow, resume = s.rflags & kRF;
  const bool debug_shadow = s.debug_shadow, watched = s.dr[7] & 0xff;
  if (watched && !debug_shadow) {
    mmu.take_breakpoints();
    const u64 met = resume ? 0 : instruction_breakpoints();
    if (met) {
      stopped = true;
      stop = debug_exception(met);
      return 0;
    }
  }
  Block& block = *find();
  const bool many = block.repeat && !trap && !watched && !fine();
  s.interrupt_shadow = s.debug_shadow = false;
  u64 used;
  try {
    used = execute_some(block, many ? allowed : 1);
  } catch (...) {
    if (!x.committed) {
      s.interrupt_shadow = shadow;
      s.debug_shadow = debug_shadow;
    }
    throw;
  }
  const MicroOp& op = *x.op;
  const Op what = current();
  const bool complete = !block.repeat || s.rip == op.next_rip;
  if (resume && complete && what != Op::IRET && !x.committed) s.rflags &= ~kRF;
  if (shadow) x.slice = true;
  if (fine() && complete) report_retired(op);
  if (s.debug_shadow) return used;
  // SYSCALL is stepped if TF is still set after it, so that a kernel that masks TF in FMASK is not.
  const bool stepped = trap && !(op.flags & kOpSoftInterrupt) && (what != Op::SYSCALL || s.rflags & kTF);
  const u64 met = (watched ? mmu.take_breakpoints() : 0) | (stepped ? kDr6SingleStep : 0) | take_task_trap();
  if (met) {
    stopped = true;
    stop = debug_exception(met);
  }
  return used;
}

u64 Core::Impl::instruction_breakpoints() const {
  const CpuState& s = *x.s;
  const u64 linear = x.code64 ? s.rip : static_cast<u32>(s.seg[CS].base + s.rip);
  u64 met = 0;
  for (unsigned i = 0; i < 4; ++i)
    if (s.dr[7] >> (2 * i) & 3 && !(s.dr[7] >> (16 + 4 * i) & 3) && s.dr[i] == linear) met |= bit(i);
  return met;
}

Stop Core::Impl::slice_stop() {
  if (const u64 met = take_task_trap()) return debug_exception(met);
  switch (x.s->activity) {
    case Activity::Running:
      return Stop::SliceEnd;
    case Activity::Shutdown:
      return Stop::Shutdown;
    default:
      return Stop::Halted;
  }
}

// The block has just branched to its own start. Executes further iterations at once, as far as the limits
// allow and it is known that they end alike; a loop that counts leaves one iteration, which sets the flags.
void Core::Impl::repeat_loop(Block& block, u64& allowed, u64& remaining) {
  constexpr u64 kMost = u64{1} << 40;  // instructions at a time: time does not overflow
  const Loop& loop = *block.loop;
  if (loop.pauses() && x.intercepts && x.intercepts->instruction(ExitKind::Pause)) return;
  const u64 room = std::min(allowed, kMost) / block.count;
  u64 n;
  if (loop.counts())
    n = room ? std::min(loop.iterations(*x.s), room - 1) : 0;
  else
    n = unchanged(block, remaining) ? room : 0;
  n -= std::min(n, branches_kept_);
  if (!n) return;
  if (loop.counts()) loop.advance(*x.s, n);
  block.runs[x.taken] += n;
  for (u64 i = std::min<u64>(n, kBranchRecords); i; --i) record_branch(block.ops.back().rip(), x.s->rip);
  pending_ += n * block.count;
  allowed -= n * block.count;
  remaining -= n * block.count;
}

// Has the last iteration left registers and flags as they were? Looked at after 8, 16, 32, ... iterations.
bool Core::Impl::unchanged(const Block& block, u64 remaining) {
  Repetition& r = repetition_;
  if (r.block != &block) {
    r.block = &block;
    r.seen = 0;
    r.next = 8;
  }
  if (++r.seen < r.next) return false;
  const CpuState& s = *x.s;
  if (r.seen == r.next) {
    std::copy(s.gpr, s.gpr + 16, r.gpr);
    r.rflags = s.rflags;
    r.remaining = remaining;
    return false;
  }
  r.next *= 2;
  return r.remaining - remaining == block.count && r.rflags == s.rflags &&
         std::equal(s.gpr, s.gpr + 16, r.gpr);
}

Stop Core::Impl::execute(const Limit& limit, u64& remaining) {
  CpuState& s = *x.s;
  limit_cycle_ = limit.cycle;
  for (;;) {
    flush_time();
    if (s.activity != Activity::Running) return slice_stop();
    u64 allowed = allowance(limit, remaining);
    if (!allowed) return Stop::Limit;
    cache.collect();
    block_ = nullptr;
    x.recheck = false;
    repetition_.block = nullptr;
    prepare();
    if (step_ || fine() || (s.rflags & (kTF | kRF)) || s.interrupt_shadow || (s.dr[7] & 0xff)) {
      Stop stop = Stop::SliceEnd;
      bool stopped = false;
      remaining -= execute_single(allowed, stop, stopped);
      if (stopped) return stop;
      if (x.slice) return slice_stop();
      continue;
    }
    if (remaining == limit.instructions) {  // nothing has been executed yet
      if (const u64 skipped = skip_wait(remaining)) {
        remaining -= skipped;
        continue;
      }
    }
    if (detailed_) {
      remaining -= execute_detailed(allowed);
      allowed = 0;
    }
    while (allowed) {
      Block& block = *find();
      if (__builtin_expect(block.count > allowed || block.repeat, 0)) {
        remaining -= execute_some(block, allowed);
        break;
      }
      block_ = &block;
      done_ = 0;
      const MicroOp* op = block.ops.data();
      x.end = op + block.count;
// The host predicts an indirect call by where it is made from: one place for all handlers is predicted worse,
// and takes long to recover from an interruption.
#pragma GCC unroll 8
      do {
        x.op = op;
        op->run(x, *op);
      } while (++op != x.end);
      if (__builtin_expect(x.slice | x.recheck, 0)) {
        const unsigned executed = static_cast<unsigned>(op - block.ops.data());
        remaining -= executed;
        retire_after(block, executed);
        break;
      }
      cache.count_run(block, x.taken);
      pending_ += block.count;
      allowed -= block.count;
      remaining -= block.count;
      if (!block.branches)
        s.rip = block.end_rip;
      else if (s.rip != block.end_rip)
        record_branch(op[-1].rip(), s.rip);
      if (__builtin_expect(levels_ | block.loops, 0)) {
        report_block(block, block.count);
        if (block.loops && s.rip == block.key.rip && may_advance()) repeat_loop(block, allowed, remaining);
      }
    }
    if (x.slice) return slice_stop();
  }
}

// The current instruction did not complete: those before it retire and RIP is at it, or where it went to.
void Core::Impl::abandon() {
  waiting_.seen = 0;
  if (x.op && x.op->flags & kOpRepeat)
    abandon_repeated(*x.s);
  else
    leave_repeated(*x.s);
  if (x.op) {
    commit();
    if (block_ && !block_->repeat && x.op != block_->ops.data())
      report_block(*block_, static_cast<unsigned>(x.op - block_->ops.data()));
    if (!x.committed) x.s->rip = x.op->rip();
    x.op = nullptr;
  }
  block_ = nullptr;
  flush_time();
  account_time(context_);
}

void Core::Impl::finish() {
  x.op = nullptr;
  block_ = nullptr;
  flush_time();
  cache.fold();
  account_time(context_);
}

Stop Core::Impl::run(const Limit& limit) {
  mmu.access_changed();
  x.slice = x.committed = false;
  u64 remaining = limit.instructions;
  Stop stop;
  core.spent_ = limit.instructions;
  begin_wait();
  try {
    stop = execute(limit, remaining);
    core.spent_ -= remaining;
    end_wait(stop, core.spent_);
  } catch (const Fault& thrown) {
    Fault fault = thrown;
    if (fault.non_canonical && x.op && refers_to_stack(x, *x.op, fault.cr2)) fault.vector = kSS;
    abandon();
    stop = deliver_event(event_of(fault), &fault);
  } catch (const ExitRequest& request) {
    core.exit_ = request.exit;
    core.exit_.instruction_length = x.op ? x.op->length : 0;
    abandon();
    stop = Stop::VmExit;
  } catch (const Unimplemented& e) {
    rethrow(e);
  }
  finish();
  return stop;
}

void Core::Impl::rethrow(const Unimplemented& e) {
  abandon();
  finish();
  const u64 rip = x.s->rip, linear = x.s->code64() ? rip : static_cast<u32>(x.s->seg[CS].base + rip);
  std::string bytes;
  for (unsigned i = 0; i < kMaxInstructionBytes; ++i) {
    u8 byte;
    if (!core.read_linear(linear + i, &byte, 1)) break;
    bytes += fmt::format("{:02x} ", byte);
  }
  std::string what = fmt::format("{} at {:#x}", e.what(), rip);
  if (!bytes.empty()) what += fmt::format(": bytes {}\n{}", bytes, core.disassemble(rip, 1));
  if (dynamic_cast<const OutsideRam*>(&e)) throw OutsideRam(rip, what);
  throw Unimplemented(rip, what);
}

}  // namespace pmusim::core
