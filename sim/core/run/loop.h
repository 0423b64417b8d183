// SPDX-License-Identifier: Apache-2.0
// Simple loops in closed form: a block that branches to its own start and changes nothing but general
// registers and flags. Where every register changes by a constant, the number of iterations that end in the
// branch follows from the registers; where an iteration changes nothing at all, every further one is the
// same. Neither stores, leaves the block or can fault, so nothing outside sees the iterations one by one; an
// observer of taken branches that keeps the last few of them gets those, from iterations that are executed.
// Not recognized: loops of several blocks, registers of 8 or 16 bits, loops that load and count.
#pragma once

#include <memory>
#include <vector>

#include "core/state/op.h"
#include "core/state/uop.h"

namespace pmusim::core {

class Loop {
 public:
  // The loop that a block is, nullptr if none.
  static std::unique_ptr<Loop> of(const std::vector<MicroOp>& ops, const std::vector<Operation>& what,
                                  u64 start);

  bool pauses() const { return pauses_; }  // contains PAUSE, which can exit
  // Registers change by constants. Else only a state that an iteration has left unchanged says anything.
  bool counts() const { return counts_; }

  // From a state at the start, just after a taken branch there: iterations that surely end in the branch
  // taken.
  u64 iterations(const CpuState& s) const;
  // The registers after n of them; flags are those of a later iteration, which must be executed.
  void advance(CpuState& s, u64 n) const;

 private:
  struct Step {
    u8 reg;  // byte offset into CpuState::gpr
    u8 size;
    u64 delta;
  };
  // What the branch looks at: the relation of a register's value plus `offset` to another operand.
  struct Compare {
    u8 reg = 0, size = 8;
    u64 offset = 0;
    bool with_register = false;
    u8 other = 0;
    u64 value = 0;
    bool carry = false, order = false;  // CF, and OF with SF, are those of the subtraction
  };
  enum class Ends : u8 { Never, Counted, Compared };

  bool add_step(u8 reg, u8 size, u64 delta);
  bool add(const MicroOp& op, Operation what);
  bool add_branch(const MicroOp& op, Op what);
  const Step* step_of(u8 reg) const;
  u64 while_unequal(u64 difference, u64 delta, unsigned bits) const;
  u64 compared(const CpuState& s) const;

  std::vector<Step> steps_;
  Compare compare_;
  bool compares_ = false, pauses_ = false, counts_ = true;
  Ends ends_ = Ends::Never;
  u8 condition_ = 0;
  u8 count_size_ = 8;  // of LOOP's counter
};

}  // namespace pmusim::core
