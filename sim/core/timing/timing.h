// SPDX-License-Identifier: Apache-2.0
// Timing: how long dynamic instructions take. The core feeds it; nothing reads time or counters before it
// has caught up.
#pragma once

#include <vector>

#include "arch/count_fwd.h"
#include "base/archive.h"
#include "base/types.h"

namespace pmusim::core {

// Operations with a cost of their own, in cycles, from the model file ("costs").
enum class Cost : u8 {
  Rdmsr,
  Wrmsr,
  Rdpmc,
  Rdtsc,
  Cpuid,
  Io,
  Mmio,
  Interrupt,
  Exception,
  Iret,
  Clflush,
  Fence,
  Hlt,
  VmEntry,
  VmExit,
  Vmread,
  Vmwrite,
  MsrListEntry,
  Number
};
struct CostTable {
  u32 cycles[static_cast<unsigned>(Cost::Number)] = {};
  u32 operator[](Cost c) const { return cycles[static_cast<unsigned>(c)]; }
};

struct MicroOp;
struct TimingOp;

// One executed instruction (or REP iteration) as a detailed timing model sees it.
struct DynamicInstruction {
  struct Access {
    u64 linear = 0, physical = 0;  // physical kNever: not RAM
    u8 page_shift = 12;            // of the translation
    u8 size = 0;
    bool global = false;
  };
  const MicroOp* op = nullptr;
  const TimingOp* timing = nullptr;
  u64 ip = 0, code_physical = 0;     // linear and host-physical address of the first byte
  u64 second_code_page = kNever;     // host-physical page of the rest of an instruction that straddles pages
  u8 code_page_shift[2] = {12, 12};  // of the translations of the first page and the second
  bool code_global[2] = {};
  u64 target = 0;                                   // of a branch: where execution goes on
  bool taken = false;                               // branch outcome
  bool iteration = false, first_iteration = false;  // of a REP string instruction
  u8 load_count = 0;
  bool has_store = false;
  Access loads[2], store;
};

// A detailed model's state relative to the current cycle. Where it is the same at two moments, instructions
// without memory accesses that led from the first to the second take the same time when they come again.
struct TimingPattern {
  std::vector<u64> words;    // what must be the same
  std::vector<u64> advance;  // what grows by the same amount each time
  u64 cycle = 0;
};

class Timing {
 public:
  virtual ~Timing() = default;
  virtual unsigned width() const = 0;         // slots per cycle
  virtual u64 cycle() const = 0;              // current cycle; never decreases
  virtual void retire(u64 instructions) = 0;  // nothing is known of them: each takes one documented slot
  virtual void stall(u64 cycles) = 0;         // complete the current cycle, then wait `cycles`
  virtual void advance_to(u64 cycle) = 0;     // idle until that cycle (no-op if already there)
  // Instructions that surely retire with cycle() still below `cycle`.
  virtual u64 instructions_before(u64 cycle) const = 0;
  virtual void archive(WordArchive& a) = 0;  // whole state
  std::vector<u64> save() {
    WordArchive a;
    archive(a);
    return a.take();
  }
  void restore(const std::vector<u64>& state) {
    WordArchive a(state);
    archive(a);
  }

  // --- Detailed models only: they are given every instruction once it has executed, in program order, and
  // whatever changes caches, translations and predictions.
  virtual bool detailed() const { return false; }
  virtual CountMask produces() const { return 0; }  // kinds of kIntervalCounts that it counts
  virtual u64 retire(const DynamicInstruction&, CountVector&) { return kNever; }  // returns cycle()
  virtual void take_slots(CountVector&) {}  // adds where the slots went since this was last called
  virtual void set_space(u16 /*tag*/, bool /*second_stage*/) {}
  virtual void flush_line(u64 /*physical*/) {}
  virtual void flush_caches() {}
  virtual void flush_translations(bool /*keep_global*/) {}  // of the current space
  virtual void flush_translation(u64 /*linear*/) {}
  virtual void forget_targets() {}  // IBPB
  // Closed form of loops that access no memory and stay in one line of code.
  virtual void pattern(TimingPattern&) {}
  virtual u64 most_skips(const TimingPattern& /*from*/, const TimingPattern& /*to*/) const { return 0; }
  virtual void skip(const TimingPattern& /*from*/, const TimingPattern& /*to*/, u64 /*times*/) {}
};

// `--timing functional`: every instruction takes one slot of the model's width (a REP iteration too);
// operations of class Cost end the current cycle and take their cost. No caches, no predictor.
class FunctionalTiming final : public Timing {
 public:
  explicit FunctionalTiming(unsigned width) : width_(width) {}
  unsigned width() const override { return width_; }
  u64 cycle() const override { return slot_ / width_; }
  using Timing::retire;
  void retire(u64 instructions) override { slot_ += instructions; }
  void stall(u64 cycles) override { slot_ = ((slot_ + width_ - 1) / width_ + cycles) * width_; }
  void advance_to(u64 cycle) override {
    if (cycle * width_ > slot_) slot_ = cycle * width_;
  }
  u64 instructions_before(u64 cycle) const override {
    return cycle > slot_ / width_ && cycle != kNever ? cycle * width_ - slot_ - 1
           : cycle == kNever                         ? kNever
                                                     : 0;
  }
  u64 slot() const { return slot_; }
  void archive(WordArchive& a) override { a(slot_); }

 private:
  u64 width_;
  u64 slot_ = 0;
};

}  // namespace pmusim::core
