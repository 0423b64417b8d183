// SPDX-License-Identifier: Apache-2.0
// Closed form of loops that wait for the clock (wait_loop.h). RDTSC ends a run, so an iteration is one run or
// several, between which nothing happened and no time passed. Once two points eight iterations apart have
// left the same relative time and predictor, so does every further one: they take the same cycles and count
// the same, as long as the clock says that the loop has not been left and its code stays. A whole iteration
// is executed behind those that are skipped; it sets registers and flags. Nothing is skipped while an
// observer is attached, of taken branches too.
#include <algorithm>

#include "core/run/core_impl.h"
#include "core/run/wait_loop.h"

namespace pmusim::core {
namespace {

// More than the predictor's whole history; between the points that are compared.
constexpr u64 kFirst = 256, kPeriod = 8, kLine = 64;
constexpr u64 kMostCycles = u64{1} << 40;
// Clocks, which are computed from the cycles.
constexpr Count kClocks[] = {Count::Cycles, Count::Slots, Count::RefCycles, Count::BusCycles};

// What the last RDTSC left.
u64 clock_read(const CpuState& s) {
  return (s.gpr[RAX] & 0xffffffff) | s.gpr[RDX] << 32;
}

}  // namespace

void Core::Impl::begin_wait() {
  Waiting& w = waiting_;
  if (w.seen && (w.end_rip != x.s->rip || w.end_cycle != timing.cycle())) w.seen = 0;
}

void Core::Impl::end_wait(Stop stop, u64 spent) {
  Waiting& w = waiting_;
  const bool read = stop == Stop::SliceEnd && current() == Op::RDTSC;
  if (!read && stop != Stop::Limit) w.seen = 0;
  if (!read && !w.seen) return;
  flush_time();
  w.end_rip = x.s->rip;
  w.end_cycle = timing.cycle();
  w.since = (w.seen ? w.since : 0) + spent;
  if (!read) return;
  if (w.seen && w.rip == w.end_rip && w.instructions == w.since) {
    ++w.seen;
  } else {
    w.rip = w.end_rip;
    w.instructions = w.since;
    w.seen = 1;
    restart_wait(kFirst);
  }
  w.since = 0;
  w.read_at = synchronized_at_;
}

void Core::Impl::mark(Waiting::Point& point) {
  point.clock = clock_read(*x.s);
  point.read_at = waiting_.read_at;
  point.branches = branch_count_;
  point.counts = core.counts_[context_];
  if (detailed_) return timing.pattern(point.time);
  point.time.cycle = timing.cycle();
  point.time.words = {timing.instructions_before(timing.cycle() + 1)};  // what is left of the cycle
}

// From the next comparison on, nothing is known of the loop.
void Core::Impl::restart_wait(u64 iterations) {
  waiting_.stage = Waiting::Stage::Unknown;
  waiting_.at = waiting_.seen + iterations;
}

// At the begin of a run; returns the instructions of the iterations that were skipped.
u64 Core::Impl::skip_wait(u64 remaining) {
  using Stage = Waiting::Stage;
  Waiting& w = waiting_;
  if (!w.seen || w.seen < w.at || w.since || levels_) return 0;
  CpuState& s = *x.s;
  const u64 clock = clock_read(s);
  // Since the first point every iteration must have gone the same way, through the same code.
  const bool same = w.seen == w.at && clock <= w.until && cache.epoch() == w.epoch;
  if (w.stage != Stage::Unknown && !same) {
    restart_wait(kFirst);
    return 0;
  }
  w.at = w.seen + kPeriod;
  WaitLoop loop;
  const bool waits = find_wait_loop(cache, s, loop);
  if (w.stage == Stage::Unknown) {
    if (!waits || (detailed_ && loop.first / kLine != loop.last / kLine)) {
      restart_wait(w.seen);
      return 0;
    }
    mark(w.from);
    w.until = clock + std::min(loop.left, kNever - clock);
    w.epoch = cache.epoch();
    w.stage = Stage::Started;
    return 0;
  }
  if (w.stage == Stage::Started) {
    mark(w.to);
    const u64 ticks = ref_clock_.floor(w.to.read_at) - ref_clock_.floor(w.from.read_at);
    if (w.from.time.words != w.to.time.words || w.to.clock - w.from.clock != ticks ||
        w.to.time.cycle - w.from.time.cycle != w.to.read_at - w.from.read_at) {
      restart_wait(w.seen);
      return 0;
    }
    w.stage = Stage::Known;
  }
  if (!waits || (loop.pauses && x.intercepts && x.intercepts->instruction(ExitKind::Pause))) return 0;
  const u64 cycles = w.to.time.cycle - w.from.time.cycle;
  if (!cycles) return 0;
  // One period more than is skipped fits below every limit.
  const u64 now = timing.cycle(), room = std::min(limit_cycle_, now + kMostCycles);
  u64 periods = room > now ? (room - 1 - now) / cycles : 0;
  periods = std::min(periods, remaining / (kPeriod * w.instructions));
  const u64 growing = ref_clock_.inverse().floor(std::min(loop.left - 1, kMostCycles));
  periods = std::min(periods, growing / cycles);
  if (periods < 2) return 0;
  const u64 times = std::min(periods - 1, detailed_ ? timing.most_skips(w.from.time, w.to.time) : kNever);
  if (!times) return 0;

  CountVector& counts = core.counts_.in(context_);
  for (unsigned k = 0; k < kCounts; ++k)
    if (std::find(std::begin(kClocks), std::end(kClocks), static_cast<Count>(k)) == std::end(kClocks))
      counts[k] += times * (w.to.counts[k] - w.from.counts[k]);
  branch_count_ += times * (w.to.branches - w.from.branches);
  if (detailed_) {
    timing.skip(w.from.time, w.to.time, times);
  } else {
    timing.advance_to(now + times * cycles);
    timing.retire(timing.width() - 1 - w.to.time.words[0]);
  }
  account_time(context_);
  const u64 then = w.read_at + times * cycles;
  const u64 read = clock + ref_clock_.floor(then) - ref_clock_.floor(w.read_at);
  w.read_at = then;
  s.gpr[RAX] = read & 0xffffffff;
  s.gpr[RDX] = read >> 32;
  const u64 instructions = times * kPeriod * w.instructions;
  w.since -= instructions;  // they belong to iterations of their own
  return instructions;
}

}  // namespace pmusim::core
