// SPDX-License-Identifier: Apache-2.0
// Random states for an instruction: registers with values at every sign boundary, segments of every kind in
// 16- and 32-bit code, memory operands aimed at the arena (aligned, across pages and limits, read-only, not
// present, not canonical), and what single instructions need to reach their interesting cases (a division
// that does not overflow, a comparison that is equal). Limits: EFLAGS.TF is never set.
#pragma once

#include "addressing.h"
#include "form.h"
#include "split_locks.h"
#include "values.h"

namespace pmusim::silicon {

class Generator {
 public:
  Generator(u64 seed, u64 fs_base, u64 gs_base, SplitLocks& split_locks)
      : rng_(seed), values_(rng_), addressing_(fs_base, gs_base), split_locks_(split_locks) {}

  Rng& rng() { return rng_; }
  void fill_memory(Batch& batch);
  // The code segment of a batch.
  u16 code_segment(Mode mode);

  // Chooses displacement, branch target or vector where an instruction has no register to aim with. False:
  // the instruction cannot be used.
  bool aim(Instruction& instruction);
  // False: no harmless state was found; draw another instruction.
  bool state(const Form& form, const Instruction& instruction, Input& to);

 private:
  static constexpr unsigned kOperands = 4;
  struct Access {
    const ZydisDecodedOperand* operand;
    Address address;
    u64 first, size;  // the bytes, as linear addresses
    bool certain;     // will not fault, nor will what is near
  };

  u64 value(Mode mode);
  u64 target(const Form& form);
  u64 landing(Mode mode);
  u64 near_offset(u64 linear, u16 selector);
  void segments(const Instruction& i, State& s);
  u16 data_segment(bool narrow);
  void fill(u8* to, unsigned size, const State& s);
  bool splits_lock(const Form& form) const;
  bool acceptable(const Form& form, const Instruction& i, State& s);
  // Registers that decide what happens, before addresses are chosen; memory that does, afterwards.
  void special_registers(const Form& form, const Instruction& i, State& s);
  bool special_memory(const Form& form, const Instruction& i, Input& in);

  Rng rng_;
  Values values_;
  Addressing addressing_;
  SplitLocks& split_locks_;
  bool safe_stack_ = false;
  u64 destination_ = 0;  // linear, of an indirect branch
  unsigned pinned_ = 0;  // general registers that an address depends on
  Access accesses_[kOperands];
  unsigned count_ = 0;
};

inline constexpr unsigned kXsaveBits = 4608;  // as Zydis has it: legacy region and header

// Writes into whatever patches cover these bytes (they may overlap); false if one is covered by none.
bool put_memory(Input& in, u64 address, u64 v, unsigned size);
inline bool is_readable(u64 address) {
  return (address + 8 > kData && address < kUnmapped) || (address + 8 > kCode && address < kLanding + kPage);
}

}  // namespace pmusim::silicon
