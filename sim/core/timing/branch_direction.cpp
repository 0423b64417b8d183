// SPDX-License-Identifier: Apache-2.0
// TAGE: the longest history that has seen this branch predicts; a wrong prediction claims an entry of a
// longer one.
#include <algorithm>

#include "core/timing/branch_predictor.h"

namespace pmusim::core {
namespace {

constexpr s8 kTaggedMost = 3, kBimodalMost = 1;  // counters of 3 and 2 bits
constexpr u8 kUsefulMost = 3;
constexpr u32 kDecay = 1u << 18;  // updates between halvings of usefulness

void step(s8& counter, bool up, s8 most) {
  if (up && counter < most) ++counter;
  if (!up && counter > -most - 1) --counter;
}

}  // namespace

BranchPredictor::Folded::Folded(u32 bits) : bits_(bits), lanes_(((u64{1} << bits) - 1) * kOnes) {
  static_assert(kLengths[kTables - 1] < kHistoryWords * 64, "the history holds the longest");
  if (bits >= kLane) throw std::logic_error("a folded history wider than its lane");
  for (unsigned old = 0; old < 1u << kTables; ++old)
    for (unsigned t = 0; t < kTables; ++t)
      leaving_[old] |= u64{old >> t & 1} << (kLane * t + kLengths[t] % bits);
}

bool BranchPredictor::direction(u64 ip, bool taken) {
  const Lookup lookup = look_up(ip);
  learn(lookup, ip, taken);
  return lookup.taken;
}

BranchPredictor::Lookup BranchPredictor::look_up(u64 ip) {
  Lookup result{};
  result.provided = result.alternate = bimodal(ip) >= 0;
  for (unsigned t = 0; t < kTables; ++t) {
    Tagged& found = entry(t, ip);
    if (found.tag != tag(t, ip)) continue;
    result.provider = &found;
    result.longer = t + 1;
    result.alternate = result.provided;
    result.provided = found.counter >= 0;
  }
  if (const Tagged* p = result.provider) result.weak = !p->useful && (p->counter == 0 || p->counter == -1);
  result.taken = result.weak ? result.alternate : result.provided;
  return result;
}

void BranchPredictor::learn(const Lookup& lookup, u64 ip, bool taken) {
  if (Tagged* p = lookup.provider) {
    if (lookup.provided != lookup.alternate) {
      if (lookup.provided == taken && p->useful < kUsefulMost) ++p->useful;
      if (lookup.provided != taken && p->useful > 0) --p->useful;
    }
    step(p->counter, taken, kTaggedMost);
  }
  if (!lookup.provider || lookup.weak) step(bimodal(ip), taken, kBimodalMost);
  if (lookup.taken != taken) allocate(lookup, ip, taken);
  if (++learned_ % kDecay == 0)
    for (auto& table : tagged_)
      for (Tagged& entry : table) entry.useful /= 2;
}

// To just before usefulness is halved.
u64 BranchPredictor::most_skipped() const {
  return kDecay - 1 - learned_ % kDecay;
}

void BranchPredictor::allocate(const Lookup& lookup, u64 ip, bool taken) {
  for (unsigned t = lookup.longer; t < kTables; ++t) {
    Tagged& claimed = entry(t, ip);
    if (claimed.useful) continue;
    claimed = {tag(t, ip), static_cast<s8>(taken ? 0 : -1), 0};
    return;
  }
  for (unsigned t = lookup.longer; t < kTables; ++t) --entry(t, ip).useful;
}

void BranchPredictor::push_history(const DynamicBranch& branch) {
  if (branch.taken) path_ = path_ << 5 ^ branch.target;
  const bool young = branch.kind == BranchKind::Conditional ? branch.taken : branch.target >> 4 & 1;
  unsigned old = 0;
  for (unsigned t = 0; t < kTables; ++t) {
    const u32 oldest = kLengths[t] - 1;
    old |= (history_[oldest / 64] >> oldest % 64 & 1u) << t;
  }
  index_fold_.push(young, old);
  tag_fold_.push(young, old);
  for (unsigned w = kHistoryWords - 1; w > 0; --w) history_[w] = history_[w] << 1 | history_[w - 1] >> 63;
  history_[0] = history_[0] << 1 | young;
}

}  // namespace pmusim::core
