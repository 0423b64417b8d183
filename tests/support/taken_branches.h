// SPDX-License-Identifier: Apache-2.0
// A recorder of taken branches, and the comparison of what two of them have seen.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <deque>

#include "core/state/observer.h"

namespace pmusim::core::test {

// Keeps the last `kept` and says so; counts all that it is told.
struct TakenRecorder : Observer {
  explicit TakenRecorder(u64 most = kNever) : kept(most) {}
  u8 levels() const override { return kTaken; }
  u64 branches_kept() const override { return kept; }
  void on_taken(const TakenBranch& branch) override {
    ++told;
    branches.push_back(branch);
    if (branches.size() > kept) branches.pop_front();
  }
  u64 kept, told = 0;
  std::deque<TakenBranch> branches;
};

// `few` has seen the same as `all`, which keeps everything, as far back as it keeps.
inline void check_same_branches(const TakenRecorder& few, const TakenRecorder& all) {
  const std::size_t n = std::min<u64>(few.kept, all.branches.size());
  REQUIRE(few.branches.size() == n);
  for (std::size_t i = 0; i < n; ++i) {
    const TakenBranch &a = few.branches[i], &b = all.branches[all.branches.size() - n + i];
    CAPTURE(i);
    REQUIRE(a.from == b.from);
    REQUIRE(a.to == b.to);
    REQUIRE(a.kind == b.kind);
    REQUIRE(a.event == b.event);
    REQUIRE(a.cycle == b.cycle);
  }
}

}  // namespace pmusim::core::test
