// SPDX-License-Identifier: Apache-2.0
// Finding, decoding, dropping and counting blocks.
#include "core/run/block_cache.h"

#include <algorithm>

#include "core/state/fault.h"
#include "core/state/unimplemented.h"

namespace pmusim::core {
namespace {

constexpr std::size_t kMaxBlocks = 65536;

// Block length on a page that was written `rewrites` times since its code was first decoded.
unsigned longest(unsigned rewrites) {
  return std::max(1u, kMaxBlockInstructions >> std::min(rewrites / 4, 6u));
}

}  // namespace

BlockCache::BlockCache(Ram& ram, Mmu& mmu, EventCounts& counts)
    : ram_(ram), mmu_(mmu), counts_(counts), slots_(kSlots) {
  dirty_.reserve(1024);
}

void BlockCache::enter(unsigned mode, unsigned context, u16 tag, u64 cs_base, u64 cs_limit) {
  if (mmu_.flushes != seen_flushes_ || cs_base != cs_base_ || cs_limit != cs_limit_) {
    seen_flushes_ = mmu_.flushes;
    cs_base_ = cs_base;
    cs_limit_ = cs_limit;
    ++epoch_;
  }
  mode_ = static_cast<u8>(mode);
  context_ = static_cast<u8>(context);
  space_ = epoch_ << 20 | u64{tag} << 8 | mode << 4 | context;
}

Block* BlockCache::find_slow(u64 rip) {
  if (rip > cs_limit_) raise_gp();
  const u64 linear = mode_ == 8 ? rip : static_cast<u32>(cs_base_ + rip);
  const Mmu::Code code = mmu_.fetch(linear);
  if (!code.host) throw OutsideRam(rip, "execution outside RAM");
  const BlockKey key{code.physical, rip, mode_, context_};
  auto found = blocks_.find(key);
  if (found != blocks_.end()) {
    const Block& block = *found->second;
    const u64 next = (linear & ~kPageMask) + kPageSize;
    if (block.end_rip - 1 > cs_limit_ ||
        (block.second_page != kNever && (mmu_.fetch(next).physical & ~kPageMask) != block.second_page)) {
      bury(std::move(found->second));
      blocks_.erase(found);
      found = blocks_.end();
    }
  }
  if (found == blocks_.end()) {
    if (blocks_.size() >= kMaxBlocks) drop_all();
    std::unique_ptr<Block> block = decode_block(key, linear, code.host);
    found = blocks_.emplace(key, std::move(block)).first;
    pages_[key.physical & ~kPageMask].blocks.push_back(found->second.get());
    ram_.mark_code(key.physical & ~kPageMask);
    if (found->second->second_page != kNever) {
      pages_[found->second->second_page].blocks.push_back(found->second.get());
      ram_.mark_code(found->second->second_page);
    }
  }
  Block* block = found->second.get();
  if (timing_) {
    const u64 pages[] = {linear, (linear & ~kPageMask) + kPageSize};
    for (unsigned i = 0; i < (block->second_page == kNever ? 1 : 2); ++i) {
      const Mmu::Place place = mmu_.place(pages[i]);
      block->page_shift[i] = place.page_shift;
      block->global[i] = place.global;
    }
  }
  slots_[index(rip)] = {rip, space_, block};
  return block;
}

std::unique_ptr<Block> BlockCache::decode_block(const BlockKey& key, u64 linear, const u8* host) {
  auto block = std::make_unique<Block>();
  block->key = key;
  std::vector<Handler> fast;
  unsigned left = static_cast<unsigned>(kPageSize - (key.physical & kPageMask));
  u64 rip = key.rip;
  DecodedInstruction d;
  TimingOp timing_op;
  TimingOp* const timing = timing_ ? &timing_op : nullptr;
  const unsigned limit = longest(pages_[key.physical & ~kPageMask].rewrites);
  while (left && block->ops.size() < limit) {
    if (!decode(host, left, rip, mode_, dialect_, d, timing)) {
      if (!block->ops.empty()) break;  // a straddling instruction is a block of its own
      u8 bytes[kMaxInstructionBytes];
      std::copy(host, host + left, bytes);
      const Mmu::Code next = mmu_.fetch((linear & ~kPageMask) + kPageSize);
      if (!next.host) throw OutsideRam(rip, "execution outside RAM");
      std::copy(next.host, next.host + (kMaxInstructionBytes - left), bytes + left);
      decode(bytes, kMaxInstructionBytes, rip, mode_, dialect_, d, timing);
      block->second_page = next.physical & ~kPageMask;
      left = d.op.length;
    }
    if ((d.op.flags & kOpRepeat) && !block->ops.empty()) break;
    if (rip - 1 + d.op.length > cs_limit_) {
      if (block->ops.empty()) raise_gp();
      break;
    }
    block->ops.push_back(d.op);
    block->what.push_back(d.what);
    fast.push_back(d.fast);
    if (timing) block->timing.push_back(*timing);
    host += d.op.length;
    left -= d.op.length;
    rip = d.op.next_rip;
    if ((d.op.flags & kOpEndsBlock) || block->second_page != kNever) break;
  }
  finish(*block);
  drop_dead_flags(*block, fast);
  return block;
}

void BlockCache::finish(Block& block) const {
  block.count = static_cast<unsigned>(block.ops.size());
  const MicroOp& last = block.ops.back();
  block.end_rip = last.next_rip;
  block.branches = last.flags & kOpSetsRip;
  block.repeat = last.flags & kOpRepeat;
  for (const MicroOp& op : block.ops) {
    block.precise.push_back(op.run);
    block.loads += op.loads;
    block.stores += op.stores;
    block.locked += op.locked();
  }
  block.loop = Loop::of(block.ops, block.what, block.key.rip);
  block.loops = block.loop != nullptr;
}

// Backwards: flags are live at the block's end and around whatever can fault or stop the block.
void BlockCache::drop_dead_flags(Block& block, const std::vector<Handler>& fast) const {
  bool live = true;
  for (std::size_t i = block.ops.size(); i-- > 0;) {
    MicroOp& op = block.ops[i];
    if (op.flags & kOpExact) {
      live = true;
      continue;
    }
    if (!live && fast[i]) op.run = fast[i];
    if (op.flags & kOpReadsFlags)
      live = true;
    else if (op.flags & kOpWritesAll)
      live = false;
  }
}

void BlockCache::mark_dirty(Block& block) {
  block.dirty = true;
  dirty_.push_back(&block);
}

void BlockCache::fold(Block& block) {
  CountVector& to = counts_.in(block.key.context);
  auto add = [&to](Count kind, u64 n) { to[static_cast<unsigned>(kind)] += n; };
  const u64 runs = block.runs[0] + block.runs[1];
  add(Count::Instructions, runs * block.count);
  if (block.loads) add(Count::Loads, runs * block.loads);
  if (block.stores) add(Count::Stores, runs * block.stores);
  if (block.locked) add(Count::LockedLoads, runs * block.locked);
  const OpBranch branch = block.ops.back().branch;
  if (branch != OpBranch::None)
    for (unsigned taken = 0; taken < 2; ++taken) add(count_of(branch, taken), block.runs[taken]);
  block.runs[0] = block.runs[1] = 0;
  block.dirty = false;
}

void BlockCache::fold() {
  for (Block* block : dirty_) fold(*block);
  dirty_.clear();
}

void BlockCache::bury(std::unique_ptr<Block> block) {
  fold();
  if (block->code) block->code->unlink();
  ++epoch_;
  space_ += u64{1} << 20;
  for (const u64 page : {block->key.physical & ~kPageMask, block->second_page}) {
    const auto list = pages_.find(page);
    if (list == pages_.end()) continue;
    auto& blocks = list->second.blocks;
    blocks.erase(std::remove(blocks.begin(), blocks.end(), block.get()), blocks.end());
  }
  graveyard_.push_back(std::move(block));
}

void BlockCache::drop_page(u64 page) {
  const auto list = pages_.find(page);
  if (list == pages_.end()) return;
  const std::vector<Block*> blocks = std::move(list->second.blocks);
  list->second.blocks.clear();
  ++list->second.rewrites;
  for (Block* block : blocks) {
    const auto found = blocks_.find(block->key);
    std::unique_ptr<Block> owned = std::move(found->second);
    blocks_.erase(found);
    bury(std::move(owned));
  }
}

void BlockCache::drop_all() {
  fold();
  ++epoch_;
  space_ += u64{1} << 20;
  for (auto& entry : blocks_) {
    if (entry.second->code) entry.second->code->unlink();
    graveyard_.push_back(std::move(entry.second));
  }
  blocks_.clear();
  pages_.clear();
}

}  // namespace pmusim::core
