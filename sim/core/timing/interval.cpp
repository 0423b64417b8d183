// SPDX-License-Identifier: Apache-2.0
// Dispatch, execution and retirement of one instruction after the other; what is modelled stands in
// interval.h.
#include "core/timing/interval.h"

#include <algorithm>

#include "base/bits.h"

namespace pmusim::core {
IntervalTiming::IntervalTiming(const TimingConfig& config)
    : config_(config.pipeline),
      memory_(config.memory),
      predictor_(config.predictor),
      run_ahead_(config.predictor.run_ahead),
      fusing_(
          static_cast<u8>((config_.nop_fusion ? kFuseNop : 0) | (config_.branch_fusion ? kFuseBranch : 0))),
      rob_(config_.rob),
      load_queue_(config_.load_queue),
      store_queue_(config_.store_queue),
      ports_(config_.load_ports, config_.store_ports, config_.alu_ports, config_.multiply_ports,
             config_.vector_ports) {
  const auto set = [this](OpClass c, u32 latency, u32 interval) {
    operations_[static_cast<unsigned>(c)] = {latency, interval};
  };
  const PipelineConfig& p = config_;
  set(OpClass::None, 0, 0);
  set(OpClass::Alu, 1, 0);
  set(OpClass::Move, 1, 0);
  set(OpClass::Multiply, p.multiply_latency, 0);
  set(OpClass::Divide, p.divide_latency, p.divide_interval);
  set(OpClass::Divide64, p.divide64_latency, p.divide64_interval);
  set(OpClass::FpAdd, p.fp_add_latency, 0);
  set(OpClass::FpMultiply, p.fp_multiply_latency, 0);
  set(OpClass::FpFma, p.fp_fma_latency, 0);
  set(OpClass::FpDivide, p.fp_divide_latency, p.fp_divide_interval);
  set(OpClass::FpSqrt, p.fp_sqrt_latency, p.fp_sqrt_interval);
  set(OpClass::Vector, p.vector_latency, 0);
  set(OpClass::VectorMove, p.vector_move_latency, 0);
  set(OpClass::Serialize, 1, 0);
  std::fill(std::begin(code_lines_), std::end(code_lines_), kNever);
}

// --- Front end.

void IntervalTiming::hold_front_end(u64 until, Wait why) {
  if (until <= fetch_ready_) return;
  fetch_ready_ = until;
  wait_ = why;
}

// Lines are asked for when the first instruction of each comes to be dispatched; what the L1I has costs
// nothing.
void IntervalTiming::fetch_lines(const DynamicInstruction& d, CountVector& counts) {
  const u64 last = d.ip + d.op->length - 1;
  for (u64 linear = d.ip;; linear = last & ~(kLine - 1)) {
    if (linear - code_line_ >= kLine) {
      code_line_ = linear & ~(kLine - 1);
      MemoryAccess a;
      a.cycle = std::max(dispatch_cycle_, fetch_ready_);
      a.linear = linear;
      const bool second_page = d.second_code_page != kNever && (linear ^ d.ip) >> 12;
      a.physical = second_page ? d.second_code_page : d.code_physical + (linear - d.ip);
      a.ip = d.ip;
      a.size = 1;
      a.page_shift = d.code_page_shift[second_page];
      a.global = d.code_global[second_page];
      const u64 ready = memory_.fetch(a, counts).ready;
      if (ready > a.cycle) hold_front_end(ready, Wait::Latency);
      next_code_line_ = (next_code_line_ + 1) % kCodeLines;
      code_lines_[next_code_line_] = a.physical / kLine;
    }
    if (linear / kLine == last / kLine) return;
  }
}

inline u64 IntervalTiming::dispatch(bool load, bool store, bool serialize) {
  u64 cycle = dispatch_cycle_;
  if (!fused_) cycle = std::max(cycle + (dispatched_ == config_.width), rob_.free_at());
  if (load) cycle = std::max(cycle, load_queue_.free_at());
  if (store) cycle = std::max(cycle, store_queue_.free_at());
  if (serialize) cycle = std::max(cycle, retired_at_ + (retired_ != 0));
  fetch_bound_ = fetch_ready_ > cycle;
  if (fetch_bound_) cycle = fetch_ready_;
  if (cycle > dispatch_cycle_) {
    dispatch_cycle_ = cycle;
    dispatched_ = 0;
    fused_ = false;
    ports_.dispatch_at(cycle);
  }
  dispatched_ += !fused_;
  return cycle;
}

void IntervalTiming::branch(const DynamicInstruction& d, u64 done, CountVector& counts) {
  DynamicBranch b;
  b.ip = d.op->rip();
  b.next_ip = d.op->next_rip;
  b.target = d.taken ? d.target : d.op->next_rip;
  b.kind = static_cast<BranchKind>(static_cast<u8>(d.op->branch) - 1);
  b.taken = d.taken;
  switch (predictor_.predict(b, counts)) {
    case Prediction::Mispredicted:
      hold_front_end(done + config_.mispredict_penalty, Wait::Mispredict);
      predicted_ = fetch_ready_ + run_ahead_;
      return;
    case Prediction::Resteer:
      hold_front_end(dispatch_cycle_ + config_.resteer_penalty, Wait::Latency);
      predicted_ = fetch_ready_ + run_ahead_;
      return;
    case Prediction::Right: {
      if (!d.taken) return;
      // The predictor passes so many taken branches a cycle, ahead of dispatch as far as it may be.
      if (++taken_ == config_.taken_branches) taken_ = 0;
      predicted_ = std::max(predicted_, dispatch_cycle_) + !taken_ + predictor_.bubbles();
      if (predicted_ > dispatch_cycle_ + run_ahead_)
        hold_front_end(predicted_ - run_ahead_, predictor_.bubbles() ? Wait::Latency : Wait::Bandwidth);
      return;
    }
  }
}

// Stores to code that may be in the pipeline clear it (SDM Vol. 3, "Self-Modifying Code").
void IntervalTiming::check_code(const DynamicInstruction& d, CountVector& counts) {
  const u64 line = d.store.physical / kLine;
  bool code = false;
  for (const u64 recent : code_lines_) code |= recent == line;
  if (!code) return;
  count_in(counts, Count::SmcClears) += 1;
  hold_front_end(retired_at_ + config_.clear_penalty, Wait::Clear);
}

// --- Memory.

MemoryAccess IntervalTiming::access_of(const DynamicInstruction& d, const DynamicInstruction::Access& from,
                                       u64 cycle) {
  MemoryAccess a;
  a.cycle = cycle;
  a.linear = from.linear;
  a.physical = from.physical;
  a.ip = d.ip;
  a.size = from.size ? from.size : 1;
  a.page_shift = from.page_shift;
  a.global = from.global;
  return a;
}

u64 IntervalTiming::load(const DynamicInstruction& d, const DynamicInstruction::Access& access, u64 cycle,
                         CountVector& counts) {
  if (access.physical == kNever) return cycle;
  cycle = ports_.take(Ports::kLoad, cycle);
  const MemoryResult result = memory_.load(access_of(d, access, cycle), counts);
  if (result.level != MemoryLevel::L1) memory_bound_ = true;
  u64 ready = result.ready;
  const u64 end = access.linear + access.size;
  for (const u64 byte : {access.linear, end - 1}) {
    const Store& s = store_at(byte);
    if (s.drained <= cycle || s.linear >= end || s.linear + s.size <= access.linear) continue;
    if (s.linear <= access.linear && end <= s.linear + s.size) {
      ready = std::max(cycle, s.data) + config_.store_forward_latency;
      ++count_in(counts, Count::StoreForwards);
    } else {
      count_in(counts, Count::StoreForwardsBlocked) += 1;
      ready = std::max(ready, s.drained + config_.store_forward_blocked_penalty);
    }
    break;
  }
  return ready;
}

// The line's ownership is asked for when the address is known; the store leaves its buffer, in order, once it
// has retired.
void IntervalTiming::store(const DynamicInstruction& d, u64 owned, u64 data) {
  drained_at_ = std::max({drained_at_, owned, retired_at_});
  store_queue_.take(drained_at_);
  const Store entry{d.store.linear, data, drained_at_, d.store.size};
  store_at(d.store.linear) = entry;
  const u64 last = d.store.linear + d.store.size - 1;
  if (last / kStoreGranule != d.store.linear / kStoreGranule) store_at(last) = entry;
}

// MOVS and STOS with REP move a chunk per operation: the iterations in between take no time.
bool IntervalTiming::same_chunk(const DynamicInstruction& d) {
  if (d.timing->kind != OpClass::Move || !d.has_store) return false;
  const u64 from = d.load_count ? d.loads[0].linear / kStringChunk : 0, to = d.store.linear / kStringChunk;
  const bool same = !d.first_iteration && from == load_chunk_ && to == store_chunk_;
  load_chunk_ = from;
  store_chunk_ = to;
  return same;
}

// --- Retirement.

// The cycles from retired_at_ on: slots of what retired, the rest blamed on the instruction that comes now.
inline void IntervalTiming::account_slots(u64 cycles) {
  const u64 slots = cycles * config_.width, retiring = std::min(slots, retiring_);
  retiring_ -= retiring;
  spent(Count::SlotsRetiring) += retiring;
  spent(memory_bound_ ? Count::SlotsMemory : Count::SlotsCore) += slots - retiring;
  spent(memory_bound_ ? Count::NoRetireMemory : Count::NoRetireCore) += cycles - (retired_ != 0);
}

// The same for an instruction that waited for the front end, and could have retired at `earliest` but for
// that: what is lost until then is the front end's.
void IntervalTiming::account_fetch_bound(u64 cycles, u64 earliest) {
  u64 rest = cycles * config_.width;
  const u64 retiring = std::min(rest, retiring_);
  retiring_ -= retiring;
  spent(Count::SlotsRetiring) += retiring;
  rest -= retiring;
  u64 front_end = earliest > retired_at_ ? earliest - retired_at_ : 0;
  const u64 lost = std::min(rest, front_end * config_.width);
  rest -= lost;
  const bool wrong = wait_ == Wait::Mispredict || wait_ == Wait::Clear;
  spent(wait_ == Wait::Mispredict ? Count::SlotsMispredict
        : wrong                   ? Count::SlotsClear
        : wait_ == Wait::Latency  ? Count::SlotsFetchLatency
                                  : Count::SlotsFetchBandwidth) += lost;
  if (wrong) spent(Count::RecoveryCycles) += lost / config_.width;
  spent(memory_bound_ ? Count::SlotsMemory : Count::SlotsCore) += rest;
  const u64 idle = cycles - (retired_ != 0);
  front_end = std::min(front_end, idle);
  spent(Count::NoRetireFrontEnd) += front_end;
  spent(memory_bound_ ? Count::NoRetireMemory : Count::NoRetireCore) += idle - front_end;
}

inline void IntervalTiming::retire_at(u64 done) {
  const bool full = !fused_ && retired_ == config_.retire_width;
  const u64 cycle = std::max(retired_at_ + full, done);
  if (cycle > retired_at_) {
    if (fetch_bound_)
      account_fetch_bound(cycle - retired_at_, dispatch_cycle_ + 1);
    else
      account_slots(cycle - retired_at_);
    retired_at_ = cycle;
    retired_ = 0;
  }
  if (fused_) return;
  ++retired_;
  ++retiring_;
  rob_.take(cycle);
}

inline u64 IntervalTiming::load_operands(const DynamicInstruction& d, u64 address, CountVector& counts) {
  if (d.timing->accesses & kPrefetch) {
    const u64 cycle = ports_.take(Ports::kLoad, address);
    if (d.loads[0].physical != kNever)
      memory_.prefetch(access_of(d, d.loads[0], cycle), d.timing->write_prefetch, counts);
    return 0;
  }
  const u64 from = d.op->locked() ? std::max(address, drained_at_) : address;  // LOCK: after older stores
  u64 loaded = load(d, d.loads[0], from, counts);
  if (d.load_count > 1) loaded = std::max(loaded, load(d, d.loads[1], from, counts));
  return loaded;
}

inline u64 IntervalTiming::execute(const TimingOp& t, u64 start) {
  const Operation operation = operations_[static_cast<unsigned>(t.kind)];
  if (operation.interval) {
    u64& divider = t.vector ? vector_divider_free_ : divider_free_;
    start = std::max(start, divider);
    divider = start + operation.interval;
    if (!t.vector) {
      ++spent(Count::Divides);
      spent(Count::DividerCycles) += operation.interval;
    }
  }
  return ports_.take(static_cast<Ports::Group>(t.port), start) + operation.latency;
}

u64 IntervalTiming::retire(const DynamicInstruction& d, CountVector& counts) {
  if (!d.timing->plain) return retire_any(d, counts);
  fetch(d, counts);
  return retire_plain(*d.timing);
}

// What retire_any() comes to for such an instruction.
inline u64 IntervalTiming::retire_plain(const TimingOp& t) {
  memory_bound_ = false;
  fuse(t);
  const u64 dispatched = dispatch(false, false, false);
  const u64 done = execute(t, sources_ready(t, dispatched));
  set_ready(t, done);
  retire_at(std::max(done, dispatched + 1));
  return retired_at_;
}

u64 IntervalTiming::retire_any(const DynamicInstruction& d, CountVector& counts) {
  const TimingOp& t = *d.timing;
  if (d.iteration && same_chunk(d)) return retired_at_;
  fetch(d, counts);
  const bool serialize = t.kind == OpClass::Serialize;
  memory_bound_ = false;
  const bool one_operation = fuse(t);
  const u64 dispatched = dispatch(d.load_count, d.has_store, serialize);

  const auto ready_after = [this](u64 cycle, RegisterSet set) {
    for (const unsigned n : set_bits(set)) cycle = std::max(cycle, ready_[n]);
    return cycle;
  };
  u64 address, start;
  if (t.listed) {
    address = std::max(dispatched, std::max(ready_[t.address_register[0]], ready_[t.address_register[1]]));
    start = sources_ready(t, dispatched);
  } else {
    address = ready_after(dispatched, t.address);
    start = ready_after(dispatched, t.sources);
  }
  if (d.load_count) start = std::max(start, load_operands(d, address, counts));
  const u64 done = t.executes && !(one_operation && fused_) ? execute(t, start) : start;
  if (t.listed)
    set_ready(t, done);
  else
    for (const unsigned n : set_bits(t.destinations)) ready_[n] = done;

  u64 owned = 0;
  if (d.has_store && d.store.physical != kNever) {
    const u64 cycle = ports_.take(Ports::kStore, address);
    owned = memory_.store(access_of(d, d.store, cycle), counts).ready;
  }
  retire_at(std::max(done, dispatched + 1));
  if (d.load_count) load_queue_.take(retired_at_);
  if (d.has_store) {
    store(d, owned, done);
    check_code(d, counts);
  }
  if (t.predicted) branch(d, done, counts);
  if (serialize) hold_front_end(retired_at_, Wait::Latency);
  return retired_at_;
}

// The hypervisor's instructions.
void IntervalTiming::retire(u64 instructions) {
  fusible_ = 0;
  fused_ = false;
  for (; instructions; --instructions) {
    memory_bound_ = false;
    retire_at(dispatch(false, false, false) + 1);
  }
}

void IntervalTiming::stall(u64 cycles) {
  advance_to(retired_at_ + (retired_ != 0) + cycles);
}

void IntervalTiming::advance_to(u64 cycle) {
  if (cycle <= retired_at_) return;
  memory_bound_ = false;
  account_slots(cycle - retired_at_);
  retired_at_ = cycle;
  retired_ = 0;
  if (cycle > dispatch_cycle_) {
    dispatch_cycle_ = cycle;
    dispatched_ = 0;
    ports_.dispatch_at(cycle);
  }
}

void IntervalTiming::take_slots(CountVector& to) {
  for (unsigned i = 0; i < kSpent; ++i) {
    to[static_cast<unsigned>(Count::SlotsRetiring) + i] += spent_[i];
    spent_[i] = 0;
  }
}

// --- Address spaces and state. A change of address space makes the next instruction look its code up again.

void IntervalTiming::set_space(u16 tag, bool second_stage) {
  tag_ = tag;
  memory_.set_space(tag, second_stage);
  code_line_ = kNoLine;
}

void IntervalTiming::flush_translations(bool keep_global) {
  memory_.flush_tlb_tag(tag_, keep_global);
  code_line_ = kNoLine;
}

void IntervalTiming::flush_translation(u64 linear) {
  memory_.flush_tlb_page(tag_, linear);
  code_line_ = kNoLine;
}

// Times that no later instruction can meet are taken out first, so that equal futures have equal states.
void IntervalTiming::archive(WordArchive& a) {
  if (a.saving()) shift(0);
  memory_.archive(a);
  predictor_.archive(a);
  a(tag_, dispatch_cycle_, retired_at_, drained_at_, divider_free_, vector_divider_free_, dispatched_,
    retired_, taken_, predicted_, fusible_, fused_, fetch_ready_, wait_, fetch_bound_, memory_bound_,
    code_line_, next_code_line_, load_chunk_, store_chunk_, retiring_);
  for (u64& line : code_lines_) a(line);
  for (unsigned r = 0; r < kTimingRegisters; ++r) a(ready_[r]);
  rob_.archive(a);
  load_queue_.archive(a);
  store_queue_.archive(a);
  ports_.archive(a);
  for (Store& s : stores_) a(s.linear, s.data, s.drained, s.size);
  for (u64& n : spent_) a(n);
}

}  // namespace pmusim::core
