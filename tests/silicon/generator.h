// SPDX-License-Identifier: Apache-2.0
// Random states for an instruction: registers with values at every sign boundary, memory operands aimed at
// the arena (aligned, across pages, read-only, not present, not canonical), and what single instructions need
// to reach their interesting cases (a division that does not overflow, a comparison that is equal). Limits:
// EFLAGS.TF is never set, AC only by the instruction itself (the core has no alignment checks).
#pragma once

#include "arena.h"
#include "form.h"

namespace pmusim::silicon {

class Generator {
 public:
  Generator(u64 seed, u64 fs_base, u64 gs_base, bool amd)
      : rng_(seed), fs_base_(fs_base), gs_base_(gs_base), amd_(amd) {}

  Rng& rng() { return rng_; }
  void fill_memory(Batch& batch);

  // Chooses displacement, branch target or vector where an instruction has no register to aim with. False:
  // the instruction cannot be used.
  bool aim(Instruction& instruction);
  // False: no harmless state was found; draw another instruction.
  bool state(const Form& form, const Instruction& instruction, Input& to);

 private:
  u64 value();
  u64 target(const Form& form);
  u64 landing();
  u64 selector();
  void fill(u8* to, unsigned size, const State& s);
  void before(const Form& form, const Instruction& i, State& s);
  bool after(const Form& form, const Instruction& i, Input& in, const u64* addresses, unsigned count);
  bool solve(const Instruction& i, const ZydisDecodedOperandMem& m, u64 target, State& s);
  u64 effective(const Instruction& i, const ZydisDecodedOperand& o, const State& s) const;
  u64 segment_base(const ZydisDecodedOperandMem& m) const;
  void vector(u8* to);
  void extended(u8* to);
  void fx(FxImage& to);

  Rng rng_;
  u64 fs_base_, gs_base_;
  bool amd_;  // of the host
  bool safe_stack_ = false;
  u64 destination_ = 0;  // of an indirect branch
  unsigned pinned_ = 0;  // general registers that an address depends on
};

}  // namespace pmusim::silicon
