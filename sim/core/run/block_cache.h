// SPDX-License-Identifier: Apache-2.0
// Block cache: finds the block at an address, decodes it when there is none, folds run counts into
// event counts, and drops the blocks of a page that was written. A small direct-mapped table by RIP answers
// almost every lookup; it is valid as long as no translation was flushed and no block was dropped.
#pragma once

#include <memory>
#include <unordered_map>
#include <vector>

#include "arch/event_counts.h"
#include "core/decode/decode.h"
#include "core/memory/mmu.h"
#include "core/run/block.h"

namespace pmusim::core {

class BlockCache {
 public:
  BlockCache(Ram& ram, Mmu& mmu, EventCounts& counts);

  void set_timing(bool on) { timing_ = on; }  // blocks hold what detailed timing needs
  void set_dialect(const Dialect& dialect) { dialect_ = dialect; }

  // What blocks are looked up for from now on: code mode (2, 4, 8), context, address-space tag, CS base and
  // limit.
  void enter(unsigned mode, unsigned context, u16 tag, u64 cs_base, u64 cs_limit);

  Block* find(u64 rip) {
    const Slot& slot = slots_[index(rip)];
    if (__builtin_expect(slot.rip == rip && slot.space == space_, 1)) return slot.block;
    return nullptr;
  }
  // Fetches (may throw Fault), decodes if need be, and remembers for find().
  Block* find_slow(u64 rip);

  // A block has just run to its end.
  void count_run(Block& block, bool taken) {
    ++block.runs[taken];
    if (!block.dirty) mark_dirty(block);
  }
  void fold();

  void drop_page(u64 page);
  void drop_all();
  u64 epoch() const { return epoch_; }    // changes whenever code may have
  void collect() { graveyard_.clear(); }  // only while no block executes

 private:
  struct Slot {
    u64 rip = 0;
    u64 space = kNever;
    Block* block = nullptr;
  };
  static constexpr unsigned kSlots = 8192;
  static unsigned index(u64 rip) { return static_cast<unsigned>(rip ^ rip >> 13) % kSlots; }

  void mark_dirty(Block& block);
  void fold(Block& block);
  void bury(std::unique_ptr<Block> block);
  std::unique_ptr<Block> decode_block(const BlockKey& key, u64 linear, const u8* host);
  void finish(Block& block) const;
  void drop_dead_flags(Block& block, const std::vector<Handler>& fast) const;

  Ram& ram_;
  Mmu& mmu_;
  EventCounts& counts_;
  Dialect dialect_;
  bool timing_ = false;
  u8 mode_ = 8, context_ = 0;
  u64 cs_base_ = 0, cs_limit_ = kNever, seen_flushes_ = 0;
  u64 epoch_ = 0, space_ = 0;
  std::vector<Slot> slots_;
  std::unordered_map<BlockKey, std::unique_ptr<Block>, BlockKeyHash> blocks_;
  struct Page {
    std::vector<Block*> blocks;
    unsigned rewrites = 0;  // code and data that share a page: shorter blocks lose less at each store
  };
  std::unordered_map<u64, Page> pages_;  // by host-physical page
  std::vector<Block*> dirty_;
  std::vector<std::unique_ptr<Block>> graveyard_;
};

}  // namespace pmusim::core
