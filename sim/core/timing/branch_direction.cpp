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

bool BranchPredictor::direction(u64 ip, bool taken) {
  const Lookup lookup = look_up(ip);
  learn(lookup, ip, taken);
  return lookup.taken;
}

BranchPredictor::Lookup BranchPredictor::look_up(u64 ip) const {
  Lookup result;
  const u64 base = ip ^ ip >> config_.base_bits;
  result.taken = result.provided = result.alternate = bimodal_[base & (bimodal_.size() - 1)] >= 0;
  result.provider = -1;
  result.weak = false;
  for (unsigned t = 0; t < kTables; ++t) {
    result.index[t] = static_cast<u32>((ip ^ ip >> (config_.tagged_bits - t) ^ index_fold_[t].value) &
                                       (tagged_[t].size() - 1));
    result.tag[t] = static_cast<u16>((ip ^ ip >> 7 ^ tag_fold_[t].value * 3) % (1u << kTagBits)) | 0x8000;
    const Tagged& entry = tagged_[t][result.index[t]];
    if (entry.tag != result.tag[t]) continue;
    result.provider = static_cast<int>(t);
    result.alternate = result.provided;
    result.provided = entry.counter >= 0;
    result.weak = !entry.useful && (entry.counter == 0 || entry.counter == -1);
  }
  result.taken = result.weak ? result.alternate : result.provided;
  return result;
}

void BranchPredictor::learn(const Lookup& lookup, u64 ip, bool taken) {
  if (lookup.provider >= 0) {
    const unsigned t = static_cast<unsigned>(lookup.provider);
    Tagged& entry = tagged_[t][lookup.index[t]];
    if (lookup.provided != lookup.alternate) {
      if (lookup.provided == taken && entry.useful < kUsefulMost) ++entry.useful;
      if (lookup.provided != taken && entry.useful > 0) --entry.useful;
    }
    step(entry.counter, taken, kTaggedMost);
  }
  if (lookup.provider < 0 || lookup.weak)
    step(bimodal_[(ip ^ ip >> config_.base_bits) & (bimodal_.size() - 1)], taken, kBimodalMost);
  if (lookup.taken != taken) allocate(lookup, taken);
  if (++learned_ % kDecay == 0)
    for (auto& table : tagged_)
      for (Tagged& entry : table) entry.useful /= 2;
}

// To just before usefulness is halved.
u64 BranchPredictor::most_skipped() const {
  return kDecay - 1 - learned_ % kDecay;
}

void BranchPredictor::allocate(const Lookup& lookup, bool taken) {
  for (unsigned t = static_cast<unsigned>(lookup.provider + 1); t < kTables; ++t) {
    Tagged& entry = tagged_[t][lookup.index[t]];
    if (entry.useful) continue;
    entry = {lookup.tag[t], static_cast<s8>(taken ? 0 : -1), 0};
    return;
  }
  for (unsigned t = static_cast<unsigned>(lookup.provider + 1); t < kTables; ++t)
    --tagged_[t][lookup.index[t]].useful;
}

void BranchPredictor::push_history(const DynamicBranch& branch) {
  if (branch.taken) path_ = path_ << 5 ^ branch.target;
  const bool young = branch.kind == BranchKind::Conditional ? branch.taken : branch.target >> 4 & 1;
  for (unsigned t = 0; t < kTables; ++t) {
    const u32 oldest = index_fold_[t].length - 1;
    const bool old = history_[oldest / 64] >> oldest % 64 & 1;
    index_fold_[t].push(young, old);
    tag_fold_[t].push(young, old);
  }
  for (unsigned w = kHistoryWords - 1; w > 0; --w) history_[w] = history_[w] << 1 | history_[w - 1] >> 63;
  history_[0] = history_[0] << 1 | young;
}

}  // namespace pmusim::core
