// SPDX-License-Identifier: Apache-2.0
// The inside of Core: run loop, retirement, time accounting and event delivery. Only core's own files include
// it.
//
// One rule serves faults, limits and stepping: `block_`, `done_` and the current micro-op say which
// instructions of the block have executed but are not retired yet; retire_range() retires some of them.
#pragma once

#include "core/run/block_cache.h"
#include "core/run/core.h"

namespace pmusim::core {

struct Core::Impl {
  Impl(Core& owner, Ram& ram, CoreEnv& env, Timing& timing);

  // --- run.cpp
  Stop run(const Limit& limit);
  Stop deliver(const PendingEvent& event);
  Stop switch_task(const TaskSwitch& t);
  void bind_state(CpuState* state);
  void code_written(u64 page);
  void record_branch(u64 from, u64 to) { branches_[branch_count_++ % kBranchRecords] = {from, to}; }

  // --- account.cpp
  void retire_range(unsigned from, unsigned to);
  void retire_repeat(bool finished);
  void happened(Count kind, u64 n);
  void flush_time() {
    if (pending_) {
      timing.retire(pending_);
      pending_ = 0;
    }
  }
  void commit();
  void synchronize();
  void account_time(unsigned context);
  void report_cycles(unsigned context, u64 cycles, CountVector& slots);
  void discard_time();
  void update_levels();
  void report_retired(const MicroOp& op);
  void report_taken(const MicroOp& op);
  void tell_taken(u64 from, BranchKind kind, bool event);
  // A loop may be advanced at once, down to the last branches that someone keeps.
  bool may_advance() const { return !(levels_ & ~Observer::kTaken) && branches_kept_ != kNever; }
  bool fine() const { return levels_ & (Observer::kBranch | Observer::kRetire | Observer::kCycle); }

  static constexpr unsigned kBranchRecords = 8;

  Core& core;
  Ram& ram;
  CoreEnv& env;
  Timing& timing;
  Mmu mmu;
  BlockCache cache;
  CoreConfig config;
  CpuState initial;
  Executor x;
  const bool detailed_;  // timing is given every instruction
  bool step_ = false;
  bool fresh_ = true;  // state or world has changed: let the MMU notice before blocks are looked up
  u16 tag_ = 0;
  u8 context_ = 0;  // context of the instructions executing
  const SecondStage* second_ = nullptr;

  Block* block_ = nullptr;
  unsigned done_ = 0;   // instructions of block_ retired
  u64 iterations_ = 0;  // of a repeated string instruction, not retired yet
  // A loop that may leave everything unchanged, within one uninterrupted run.
  struct Repetition {
    const Block* block = nullptr;
    u64 seen = 0, next = 0;  // iterations so far; when to compare
    u64 gpr[16], rflags, remaining;
  } repetition_;
  // Detailed timing:
  u64 limit_cycle_ = kNever;    // of the current run
  u64 code_linear_ = 0;         // of the current block
  DynamicInstruction dynamic_;  // what the model is told next
  struct Recurrence {
    u64 at = 0;  // iteration at which to compare next
    bool taken = false;
    TimingPattern from, to;
    u64 gpr[16], rflags;
  } recurrence_;
  // A loop that waits for the clock: runs that end in the same RDTSC (run_wait.cpp).
  struct Waiting {
    u64 rip = 0, instructions = 0;   // behind the RDTSC; of an iteration
    u64 seen = 0;                    // iterations in a row, 0: none
    u64 since = 0, read_at = 0;      // instructions since the last RDTSC; the cycle at which it read
    u64 end_rip = 0, end_cycle = 0;  // of the last run
    u64 at = 0;                      // iteration at which to compare next
    enum class Stage : u8 { Unknown, Started, Known } stage = Stage::Unknown;  // Started: has `from`
    u64 until = 0, epoch = 0;  // since `from`: the last clock with which the loop goes on, its code
    struct Point {
      u64 clock = 0, read_at = 0, branches = 0;  // clock: as read, and when
      TimingPattern time;
      CountVector counts;
    } from, to;
  } waiting_;
  u64 synchronized_at_ = 0;
  u64 pending_ = 0;  // slots not yet given to timing

  Ratio ref_clock_, bus_clock_;
  u64 accounted_ = 0;  // cycle up to which time is accounted
  std::vector<Observer*> observers_;
  u8 levels_ = 0;
  u64 branches_kept_ = 0;       // by the observer at kTaken that keeps most
  CountVector cycle_counts_{};  // happenings in the cycle not complete yet, for kCycle observers

  BranchRecord branches_[kBranchRecords] = {};
  u64 branch_count_ = 0;

 private:
  Stop execute(const Limit& limit, u64& remaining);
  u64 allowance(const Limit& limit, u64 remaining) const;
  void prepare();
  void begin_outside();
  Block* find();
  Op current() const {  // the instruction that the executor is at, or was last
    return x.op && block_ ? block_->what[static_cast<std::size_t>(x.op - block_->ops.data())].op : Op::NONE;
  }
  u64 execute_some(Block& block, u64 allowed);
  // run_detailed.cpp
  u64 execute_detailed(u64 allowed);
  unsigned execute_prefix_detailed(Block& block, u64 allowed);
  void capture(const MicroOp& op, const TimingOp& t) {
    dynamic_.op = &op;
    dynamic_.timing = &t;
    dynamic_.load_count = 0;
    dynamic_.has_store = false;
    if (t.accesses) capture_accesses(op, t);
  }
  void capture_accesses(const MicroOp& op, const TimingOp& t);
  bool time_instruction(const MicroOp& op);
  bool time_observed();
  void locate(const Block& block);
  void begin_repeat(const Block& block);
  u64 skip_iterations(Block& block, u64 seen, u64 allowed);
  // run_wait.cpp
  void begin_wait();
  void end_wait(Stop stop, u64 spent);
  void mark(Waiting::Point& point);
  void restart_wait(u64 iterations);
  u64 skip_wait(u64 remaining);
  template <bool kDetailed>
  u64 execute_repeat(Block& block, u64 allowed);
  u64 execute_single(u64 allowed, Stop& stop, bool& stopped);
  PendingEvent debug_event(u64 conditions);
  Stop debug_exception(u64 conditions);
  u64 take_task_trap();
  u64 instruction_breakpoints() const;
  void retire_after(Block& block, unsigned executed);
  void repeat_loop(Block& block, u64& allowed, u64& remaining);
  bool unchanged(const Block& block, u64 remaining);
  void report_block(const Block& block, unsigned executed);
  void abandon();
  void finish();
  Stop slice_stop();
  Stop deliver_event(PendingEvent event, const Fault* fault, bool injected = false);
  Stop triple_fault();
  [[noreturn]] void rethrow(const Unimplemented& e);
};

}  // namespace pmusim::core
