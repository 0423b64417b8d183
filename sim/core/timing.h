// SPDX-License-Identifier: Apache-2.0
// Timing: how long dynamic instructions take. The core feeds it; nothing reads time or counters before it
// has caught up. Time is counted in pipeline slots; cycle = slot / width.
#pragma once

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
  TlbWalk,
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

// One retired instruction as a timing model sees it.
struct DynamicInstruction {
  u64 rip;
  const MicroOp* ops;
  u8 op_count;
  bool taken;   // branch outcome
  u64 target;   // of a taken branch
  u64 address;  // last memory operand, linear; 0 if none
};

class Timing {
 public:
  virtual ~Timing() = default;
  virtual unsigned width() const = 0;         // slots per cycle
  virtual u64 cycle() const = 0;              // current cycle
  virtual void retire(u64 instructions) = 0;  // straight from a block: each takes one documented slot
  virtual void retire(const DynamicInstruction& instruction) = 0;
  virtual void stall(u64 cycles) = 0;      // complete the current cycle, then wait `cycles`
  virtual void advance_to(u64 cycle) = 0;  // idle until that cycle (no-op if already there)
  // Instructions that surely retire with cycle() still below `cycle`.
  virtual u64 instructions_before(u64 cycle) const = 0;
  virtual u64 save() const = 0;  // whole state; restored by restore()
  virtual void restore(u64 state) = 0;
};

// `--timing functional`: every instruction takes one slot of the model's width (a REP iteration too);
// operations of class Cost end the current cycle and take their cost. No caches, no predictor.
class FunctionalTiming final : public Timing {
 public:
  explicit FunctionalTiming(unsigned width) : width_(width) {}
  void set_width(unsigned width) {
    width_ = width;
    slot_ = 0;
  }
  unsigned width() const override { return width_; }
  u64 cycle() const override { return slot_ / width_; }
  void retire(u64 instructions) override { slot_ += instructions; }
  void retire(const DynamicInstruction&) override { slot_ += 1; }
  void stall(u64 cycles) override { slot_ = ((slot_ + width_ - 1) / width_ + cycles) * width_; }
  void advance_to(u64 cycle) override {
    if (cycle * width_ > slot_) slot_ = cycle * width_;
  }
  u64 instructions_before(u64 cycle) const override {
    return cycle > slot_ / width_ && cycle != kNever ? cycle * width_ - slot_ - 1
           : cycle == kNever                         ? kNever
                                                     : 0;
  }
  u64 save() const override { return slot_; }
  void restore(u64 state) override { slot_ = state; }

 private:
  u64 width_;
  u64 slot_ = 0;
};

}  // namespace pmusim::core
