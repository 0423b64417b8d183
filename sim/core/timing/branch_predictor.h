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

#include "arch/count_fwd.h"
#include "base/archive.h"
#include "core/state/observer.h"
#include "core/timing/config.h"

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
  void pattern(WordArchive& a);
  u64 learned() const { return learned_; }
  u64 most_skipped() const;
  void skip(u64 branches) { learned_ += static_cast<u32>(branches); }

  void archive(WordArchive&);

 private:
  static constexpr unsigned kTables = 4, kHistoryWords = 3;
  static constexpr u32 kTagBits = 11;
  static constexpr u32 kLengths[kTables] = {6, 18, 54, 130};  // of histories
  struct Tagged {
    u16 tag = 0;
    s8 counter = 0;  // taken if not negative
    u8 useful = 0;
  };
  // Each table's history folded to `bits` (15 at most), kept up to date outcome by outcome; 16 bits of
  // `values` are a table's.
  class Folded {
   public:
    static constexpr unsigned kLane = 16;
    static constexpr u64 kOnes = 0x0001'0001'0001'0001;  // the lowest bit of each lane
    explicit Folded(u32 bits);
    u32 at(unsigned table) const { return static_cast<u32>(values_ >> kLane * table) & 0xffff; }
    // `old`: the outcomes that leave the tables' histories, a bit each.
    void push(bool young, unsigned old) {
      const u64 moved = (values_ << 1 | (young ? kOnes : 0)) ^ leaving_[old];
      values_ = (moved ^ (moved >> bits_ & kOnes)) & lanes_;
    }
    void archive(WordArchive& a) { a(values_); }

   private:
    u32 bits_;
    u64 lanes_, values_ = 0;           // lanes: the bits in use
    u64 leaving_[1u << kTables] = {};  // where the oldest outcomes are
  };
  struct Lookup {
    Tagged* provider;  // entry that predicts, null: bimodal
    unsigned longer;   // first of the tables with longer histories
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
  Tagged& entry(unsigned table, u64 ip) {
    const u64 hash = ip ^ ip >> (config_.tagged_bits - table) ^ index_fold_.at(table);
    return tagged_[table][hash & tagged_mask_];
  }
  u16 tag(unsigned table, u64 ip) const {
    return static_cast<u16>((ip ^ ip >> 7 ^ tag_fold_.at(table) * 3) % (1u << kTagBits)) | 0x8000;
  }
  s8& bimodal(u64 ip) { return bimodal_[(ip ^ ip >> config_.base_bits) & bimodal_mask_]; }
  Lookup look_up(u64 ip);
  void learn(const Lookup&, u64 ip, bool taken);
  void allocate(const Lookup&, u64 ip, bool taken);
  bool known_target(const DynamicBranch&);     // BTB; learns
  bool indirect_target(const DynamicBranch&);  // by history, else BTB; learns
  bool return_target(u64 target);
  bool near_target(u64 ip);  // the first level gives the branch that ends this block; learns
  void push_history(const DynamicBranch&);

  PredictorConfig config_;
  u32 btb_sets_, btb_mask_;         // mask: sets - 1 where that is one, else 0
  u64 bimodal_mask_, tagged_mask_;  // sizes - 1
  std::vector<s8> bimodal_;
  std::vector<Tagged> tagged_[kTables];
  Folded index_fold_, tag_fold_;
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
