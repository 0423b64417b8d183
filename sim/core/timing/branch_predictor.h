// SPDX-License-Identifier: Apache-2.0
// Branch prediction of one core: direction by TAGE (a bimodal table and four tables tagged by hashes of
// growing global history; Seznec and Michaud, "A case for (partially) TAgged GEometric history length branch
// prediction", 2006), targets by a branch target buffer and a table of indirect targets by path, and a return
// stack. Predicts and learns in one step, in program order, so the histories are always those of the right
// path. No random numbers: allocation takes the shortest free table, usefulness decays by count.
//
// The target buffer may have a first level that costs no time (AMD, "Software Optimization Guide for AMD EPYC
// 7003 Processors", 56665: accessed by the fetch address of the previous block, zero bubbles for direct
// branches and one for calls and returns, three where the second level differs). It holds one branch for each
// pair of the previous block's 8 bytes and this one's 32 bytes; a branch that finds another one there comes
// from the second level, which also gives the next; four in a row replace the entry.
// Not modelled: what wrong paths do to the tables, two branches in one entry, aliasing between SMT threads;
// far branches are not predicted (they serialize).
#pragma once

#include <vector>

#include "arch/count.h"
#include "core/observer.h"
#include "core/timing/config.h"
#include "core/timing/state_words.h"

namespace pmusim::core {

struct DynamicBranch {
  u64 ip = 0, next_ip = 0;  // of the branch and of the instruction after it
  u64 target = 0;           // where it went; next_ip if not taken
  BranchKind kind = BranchKind::Conditional;
  bool taken = true;
};

enum class Prediction : u8 {
  Right,
  Resteer,      // direct and taken, but unknown to the front end until decoded
  Mispredicted  // known wrong at execution
};

class BranchPredictor {
 public:
  explicit BranchPredictor(const PredictorConfig&);

  // Predicts and learns; counts a mispredict by its kind, or a resteer.
  Prediction predict(const DynamicBranch&, CountVector&);
  // Cycles that the last prediction took beyond its own, if it was right.
  u32 bubbles() const { return bubbles_; }
  void barrier();  // IBPB: every target and return address forgotten, directions kept

  // Closed form of a loop: what it leaves unchanged, and how many branches may be skipped as learned already.
  void pattern(StateWords& words);
  u64 learned() const { return learned_; }
  u64 most_skipped() const;
  void skip(u64 branches) { learned_ += static_cast<u32>(branches); }

  void visit(StateWords&);

 private:
  static constexpr unsigned kTables = 4, kHistoryWords = 3;
  static constexpr u32 kTagBits = 11;
  struct Tagged {
    u16 tag = 0;
    s8 counter = 0;  // taken if not negative
    u8 useful = 0;
  };
  // A history of `length` outcomes folded to `bits`, kept up to date outcome by outcome.
  struct Folded {
    u32 value = 0, length, bits, out;  // out: where the oldest outcome leaves
    void push(bool young, bool old) {
      value = value << 1 | young;
      value ^= u32{old} << out;
      value ^= value >> bits;
      value &= (1u << bits) - 1;
    }
  };
  struct Lookup {
    u32 index[kTables];
    u16 tag[kTables];
    int provider;  // table that predicts, -1: bimodal
    bool provided, alternate, taken;
    bool weak;  // a new entry that has not proved itself: the alternate is believed
  };
  struct Target {
    u64 key = 0, target = 0;  // key 0: empty
  };
  struct Near {
    u64 key = 0, ip = 0;  // key 0: empty
    u8 trust = 0;
  };

  bool direction(u64 ip, bool taken);  // the prediction; learns the outcome
  Lookup look_up(u64 ip) const;
  void learn(const Lookup&, u64 ip, bool taken);
  void allocate(const Lookup&, bool taken);
  bool known_target(const DynamicBranch&);     // BTB; learns
  bool indirect_target(const DynamicBranch&);  // by history, else BTB; learns
  bool return_target(u64 target);
  bool near_target(u64 ip);  // the first level gives the branch that ends this block; learns
  void push_history(const DynamicBranch&);

  PredictorConfig config_;
  u32 btb_sets_, btb_mask_;  // mask: sets - 1 where that is one, else 0
  std::vector<s8> bimodal_;
  std::vector<Tagged> tagged_[kTables];
  Folded index_fold_[kTables], tag_fold_[kTables];
  std::vector<Target> btb_, indirect_;    // BTB: sets in order of use
  std::vector<Near> near_;                // likewise
  u64 entered_ = 0, entered_before_ = 0;  // where this block and the previous one began
  bool late_ = false;                     // the last taken branch came from the second level
  u32 bubbles_ = 0;
  std::vector<u64> returns_;  // a ring
  u32 return_top_ = 0, return_count_ = 0;
  u64 history_[kHistoryWords] = {};  // the youngest outcome in bit 0
  u64 path_ = 0;                     // of taken branches' targets
  u32 learned_ = 0;
};

}  // namespace pmusim::core
