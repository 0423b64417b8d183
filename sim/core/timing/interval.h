// SPDX-License-Identifier: Apache-2.0
// `--timing interval`: an out-of-order core in one pass over the instructions. Each is given the cycle in
// which it is dispatched, executes and retires, from the width, the window (reorder buffer, load and store
// queues), its sources' ready times, ports, caches, TLBs and the branch predictor; nothing is stepped cycle
// by cycle. cycle() is the retirement of the last instruction. An instruction is one slot.
//
// Slots (top-down): the cycles between two retirements are first filled with what retired, then blamed on
// what held the later one back: its dispatch waited for the front end (and why), else its execution.
//
// Operations of class Cost drain the pipeline and take their cost in full. Not modelled: micro-ops, the
// micro-op cache and decoders, scheduler size, other fusion than that of NOPs and of branches, move
// elimination, memory-order clears, wrong-path execution (time of a mispredict is lost, caches are not
// touched), instructions overlapping with a serializing one, caches' part in exception delivery and far
// transfers.
#pragma once

#include "arch/event_counts.h"
#include "core/state/uop.h"
#include "core/timing/branch_predictor.h"
#include "core/timing/memory_hierarchy.h"
#include "core/timing/resources.h"
#include "core/timing/timing.h"
#include "core/timing/timing_op.h"

namespace pmusim::core {

class IntervalTiming final : public Timing {
 public:
  explicit IntervalTiming(const TimingConfig& config);

  unsigned width() const override { return config_.width; }
  u64 cycle() const override { return retired_at_; }
  void retire(u64 instructions) override;
  void stall(u64 cycles) override;
  void advance_to(u64 cycle) override;
  u64 instructions_before(u64) const override { return 0; }
  void archive(WordArchive& a) override;

  bool detailed() const override { return true; }
  CountMask produces() const override { return kIntervalCounts; }
  u64 retire(const DynamicInstruction& instruction, CountVector& counts) override;
  void take_slots(CountVector& to) override;
  void set_space(u16 tag, bool second_stage) override;
  void flush_line(u64 physical) override { memory_.flush_line(physical); }
  void flush_caches() override { memory_.flush_caches(); }
  void flush_translations(bool keep_global) override;
  void flush_translation(u64 linear) override;
  void forget_targets() override { predictor_.barrier(); }
  void pattern(TimingPattern& to) override;
  u64 most_skips(const TimingPattern& from, const TimingPattern& to) const override;
  void skip(const TimingPattern& from, const TimingPattern& to, u64 times) override;

 private:
  struct Operation {
    u32 latency, interval;  // interval: of the divider, 0 if pipelined
  };
  // What the front end waits for.
  enum class Wait : u8 { Nothing, Mispredict, Clear, Latency, Bandwidth };
  struct Store {
    u64 linear = 0, data = 0, drained = 0;  // data: in the store buffer; drained: in the cache
    u32 size = 0;
  };

  void fetch(const DynamicInstruction& d, CountVector& counts) {
    if (d.ip - code_line_ > kLine - d.op->length) fetch_lines(d, counts);
  }
  void fetch_lines(const DynamicInstruction& d, CountVector& counts);
  // True: to one operation.
  bool fuse(const TimingOp& t) {
    const unsigned fusion = fusible_ & t.joins;
    fused_ = fusion;
    fusible_ = fusion ? 0 : t.fuses & fusing_;
    return fusion & kFuseBranch;
  }
  [[gnu::always_inline]] u64 dispatch(bool load, bool store, bool serialize);
  [[gnu::always_inline]] u64 load_operands(const DynamicInstruction& d, u64 address, CountVector& counts);
  u64 sources_ready(const TimingOp& t, u64 cycle) const {
    return std::max(std::max(std::max(ready_[t.source[0]], ready_[t.source[1]]), cycle),
                    std::max(ready_[t.source[2]], ready_[t.source[3]]));
  }
  void set_ready(const TimingOp& t, u64 cycle) {
    for (const u8 r : t.destination) ready_[r] = cycle;
  }
  [[gnu::always_inline]] u64 execute(const TimingOp& t, u64 start);
  u64 retire_plain(const TimingOp& t);
  u64 retire_any(const DynamicInstruction& d, CountVector& counts);
  static MemoryAccess access_of(const DynamicInstruction& d, const DynamicInstruction::Access& a, u64 cycle);
  u64 load(const DynamicInstruction& d, const DynamicInstruction::Access& a, u64 cycle, CountVector& counts);
  void store(const DynamicInstruction& d, u64 owned, u64 data);
  void branch(const DynamicInstruction& d, u64 done, CountVector& counts);
  [[gnu::always_inline]] void retire_at(u64 done);
  void account_slots(u64 cycles);
  void account_fetch_bound(u64 cycles, u64 earliest);
  void hold_front_end(u64 until, Wait why);
  bool same_chunk(const DynamicInstruction& d);
  void check_code(const DynamicInstruction& d, CountVector& counts);
  Store& store_at(u64 linear) { return stores_[linear / kStoreGranule % kStores]; }
  template <class F>
  void each_time(F f);
  void shift(u64 cycles);

  static constexpr u64 kLine = 64, kNoLine = u64{1} << 62;  // not canonical
  static constexpr unsigned kStores = 64, kStoreGranule = 8, kCodeLines = 8;
  static constexpr unsigned kStringChunk = 32;  // bytes that fast string operations move per operation

  PipelineConfig config_;
  Operation operations_[static_cast<unsigned>(OpClass::Number)];
  MemoryHierarchy memory_;
  BranchPredictor predictor_;
  u64 run_ahead_;
  u16 tag_ = 0;

  u64 dispatch_cycle_ = 0, retired_at_ = 0, drained_at_ = 0, divider_free_ = 0, vector_divider_free_ = 0;
  u32 dispatched_ = 0, retired_ = 0;  // in the current cycle
  u32 taken_ = 0;                     // branches predicted in the predictor's current cycle
  u64 predicted_ = 0;   // when the predictor is done with the last taken branch, plus its run-ahead
  u8 fusing_;           // Fusion: what this core does
  u8 fusible_ = 0;      // Fusion: the last instruction, with the next
  bool fused_ = false;  // this instruction, with the last
  u64 fetch_ready_ = 0;
  Wait wait_ = Wait::Nothing;
  bool fetch_bound_ = false;    // the last dispatch waited for the front end
  bool memory_bound_ = false;   // the last instruction waited for memory beyond the L1
  u64 code_line_ = kNoLine;     // linear address of the last fetched
  u64 code_lines_[kCodeLines];  // physical, recently executed
  u32 next_code_line_ = 0;
  u64 ready_[kTimingRegisters + 2] = {};  // kReadyRegister stays 0
  Window rob_, load_queue_, store_queue_;
  Ports ports_;
  Store stores_[kStores];
  u64 load_chunk_ = kNever, store_chunk_ = kNever;

  u64 retiring_ = 0;  // instructions whose slot is not accounted yet
  // By kind from SlotsRetiring on, since take_slots(): what a loop in closed form repeats.
  static constexpr unsigned kSpent = kCounts - static_cast<unsigned>(Count::SlotsRetiring);
  u64 spent_[kSpent] = {};
  u64& spent(Count kind) {
    return spent_[static_cast<unsigned>(kind) - static_cast<unsigned>(Count::SlotsRetiring)];
  }
};

}  // namespace pmusim::core
