// SPDX-License-Identifier: Apache-2.0
// Targets, returns and what a prediction costs; the directions are in branch_direction.cpp.
#include "core/timing/branch_predictor.h"

#include <algorithm>
#include <stdexcept>

#include "arch/event_counts.h"

namespace pmusim::core {
namespace {

constexpr u32 kIndirectEntries = 2048;
constexpr u8 kNearTrust = 3;  // times that an entry may be wrong in a row and stays
constexpr unsigned kPreviousShift = 3, kBlockShift = 5;

Count mispredict_kind(const DynamicBranch& branch) {
  switch (branch.kind) {
    case BranchKind::Conditional:
      return branch.taken ? Count::MispCondTaken : Count::MispCondNotTaken;
    case BranchKind::IndirectJump:
      return Count::MispIndirectJump;
    case BranchKind::IndirectCall:
      return Count::MispIndirectCall;
    case BranchKind::Return:
      return Count::MispReturn;
    default:
      throw std::logic_error("a direct or far branch cannot mispredict");
  }
}

}  // namespace

Prediction BranchPredictor::predict(const DynamicBranch& branch, CountVector& counts) {
  bool right = true, known = true;
  switch (branch.kind) {
    case BranchKind::Far:
      return Prediction::Right;
    case BranchKind::Conditional:
      right = direction(branch.ip, branch.taken) == branch.taken;
      known = !branch.taken || known_target(branch);
      break;
    case BranchKind::DirectJump:
    case BranchKind::DirectCall:
      known = known_target(branch);
      break;
    case BranchKind::IndirectJump:
    case BranchKind::IndirectCall:
      right = indirect_target(branch);
      break;
    case BranchKind::Return:
      right = return_target(branch.target);
      break;
  }
  if (branch.kind == BranchKind::DirectCall || branch.kind == BranchKind::IndirectCall) {
    return_top_ = return_top_ + 1 == config_.return_stack ? 0 : return_top_ + 1;
    returns_[return_top_] = branch.next_ip;
    return_count_ = std::min(return_count_ + 1, config_.return_stack);
  }
  push_history(branch);
  bubbles_ = 0;
  if (branch.taken && config_.near_entries) {
    const bool call = branch.kind != BranchKind::Conditional && branch.kind != BranchKind::DirectJump &&
                      branch.kind != BranchKind::IndirectJump;
    late_ = !near_target(branch.ip) && !late_;
    bubbles_ = late_ ? config_.far_bubbles : call ? config_.call_bubbles : 0;
    entered_before_ = entered_;
    entered_ = branch.target;
  }
  if (!right) {
    ++count_in(counts, mispredict_kind(branch));
    return Prediction::Mispredicted;
  }
  if (known) {
    if (late_ && bubbles_) ++count_in(counts, Count::LateTargets);
    return Prediction::Right;
  }
  ++count_in(counts, Count::Resteers);
  return Prediction::Resteer;
}

bool BranchPredictor::near_target(u64 ip) {
  const u64 key =
      ((entered_before_ >> kPreviousShift) * 0x9e3779b97f4a7c15u ^ entered_ >> kBlockShift << 1) | 1;
  const u32 sets = config_.near_entries / config_.near_ways;
  Near* first = &near_[(key >> 1 ^ key >> 33) % sets * config_.near_ways];
  Near* last = first + config_.near_ways;
  Near* way = std::find_if(first, last, [&](const Near& n) { return n.key == key; });
  const bool found = way != last;
  if (!found) --way;
  std::rotate(first, way, way + 1);
  if (found && first->ip == ip) {
    first->trust = kNearTrust;
    return true;
  }
  if (!found || !first->trust)
    *first = {key, ip, kNearTrust};
  else
    --first->trust;
  return false;
}

bool BranchPredictor::known_target(const DynamicBranch& branch) {
  const u64 hash = branch.ip ^ branch.ip >> 12;
  const u64 set = btb_mask_ ? hash & btb_mask_ : hash % btb_sets_;
  Target* first = &btb_[set * config_.btb_ways];
  if (first->key == branch.ip + 1 && first->target == branch.target) return true;
  Target* last = first + config_.btb_ways;
  Target* way = std::find_if(first, last, [&](const Target& t) { return t.key == branch.ip + 1; });
  const bool right = way != last && way->target == branch.target;
  if (way == last) --way;
  std::rotate(first, way, way + 1);
  *first = {branch.ip + 1, branch.target};
  return right;
}

// Only a branch whose last target was wrong gets an entry by path.
bool BranchPredictor::indirect_target(const DynamicBranch& branch) {
  const u64 hash = (branch.ip ^ path_ * 0x9e3779b97f4a7c15u) + 1;
  Target& by_path = indirect_[(hash ^ hash >> 40) % kIndirectEntries];
  const bool found = by_path.key == hash, last = known_target(branch);
  const bool right = found ? by_path.target == branch.target : last;
  if (!right) by_path = {hash, branch.target};
  return right;
}

bool BranchPredictor::return_target(u64 target) {
  if (!return_count_) return false;
  const u64 predicted = returns_[return_top_];
  return_top_ = (return_top_ ? return_top_ : config_.return_stack) - 1;
  --return_count_;
  return predicted == target;
}

void BranchPredictor::barrier() {
  std::fill(btb_.begin(), btb_.end(), Target{});
  std::fill(indirect_.begin(), indirect_.end(), Target{});
  std::fill(near_.begin(), near_.end(), Near{});
  return_count_ = 0;
}

void BranchPredictor::archive(WordArchive& a) {
  pattern(a);
  a(learned_);
}

void BranchPredictor::pattern(WordArchive& a) {
  for (s8& counter : bimodal_) a(counter);
  for (auto& table : tagged_) {
    for (Tagged& entry : table) a(entry.tag, entry.counter, entry.useful);
  }
  index_fold_.archive(a);
  tag_fold_.archive(a);
  for (std::vector<Target>* table : {&btb_, &indirect_})
    for (Target& entry : *table) a(entry.key, entry.target);
  for (Near& entry : near_) a(entry.key, entry.ip, entry.trust);
  for (u64& address : returns_) a(address);
  for (u64& word : history_) a(word);
  a(return_top_, return_count_, path_, entered_, entered_before_, late_);
}

BranchPredictor::BranchPredictor(const PredictorConfig& config)
    : config_(config),
      btb_sets_(config.btb_ways ? config.btb_entries / config.btb_ways : 0),
      btb_mask_(btb_sets_ & (btb_sets_ - 1) ? 0 : btb_sets_ - 1),
      bimodal_mask_((u64{1} << config.base_bits) - 1),
      tagged_mask_((u64{1} << config.tagged_bits) - 1),
      bimodal_(std::size_t{1} << config.base_bits, -1),
      index_fold_(config.tagged_bits),
      tag_fold_(kTagBits),
      btb_(config.btb_entries),
      indirect_(kIndirectEntries),
      near_(config.near_entries),
      returns_(config.return_stack) {
  if (!config.btb_ways || config.btb_entries % config.btb_ways || !config.btb_entries ||
      !config.return_stack || !config.near_ways || config.near_entries % config.near_ways)
    throw std::logic_error("predictor tables of no size");
  for (auto& table : tagged_) table.resize(std::size_t{1} << config.tagged_bits);
}

}  // namespace pmusim::core
