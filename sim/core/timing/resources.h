// SPDX-License-Identifier: Apache-2.0
// What instructions in flight share: windows that free their entries in order, and ports by cycle.
#pragma once

#include <algorithm>
#include <vector>

#include "core/timing/state_words.h"

namespace pmusim::core {

// A queue of fixed size whose entries are taken and freed in program order.
class Window {
 public:
  explicit Window(u32 size) : free_at_(size) {}
  u64 free_at() const { return free_at_[next_]; }  // when the next entry to take is free
  void take(u64 until) {
    free_at_[next_] = until;
    if (++next_ == free_at_.size()) next_ = 0;
  }
  // f(cycle) for each entry, the next to take first.
  template <class F>
  void each(F f) {
    for (u32 i = 0; i < free_at_.size(); ++i) f(free_at_[(next_ + i) % free_at_.size()]);
  }
  void visit(StateWords& words) {
    std::rotate(free_at_.begin(), free_at_.begin() + next_, free_at_.end());
    next_ = 0;
    for (u64& cycle : free_at_) words(cycle);
  }

 private:
  std::vector<u64> free_at_;
  u32 next_ = 0;
};

// Operations begun per cycle, by group of ports. A request for a cycle that has left the table is granted at
// once.
class Ports {
 public:
  enum Group : u8 { kLoad, kStore, kAlu, kMultiply, kVector, kGroups };
  Ports(u32 load, u32 store, u32 alu, u32 multiply, u32 vector)
      : limit_{load, store, alu, multiply, vector} {}

  u64 take(Group group, u64 cycle) {
    for (;; ++cycle) {
      Slot& s = slots_[cycle % kCycles];
      if (s.cycle != cycle) {
        if (s.cycle > cycle) return cycle;
        s = {cycle, 0};
      }
      if (s.used(group) < limit_[group]) {
        s.groups += u64{1} << 8 * group;
        return cycle;
      }
    }
  }
  // What began at `cycle` and later.
  void pattern(u64 cycle, StateWords& words) {
    for (u64 c = cycle; c < cycle + kCycles; ++c) {
      const Slot& s = slots_[c % kCycles];
      u64 groups = s.cycle == c ? s.groups : 0;
      words(groups);
    }
  }
  // Forgets what began before `cycle`; the rest moves by `delta`.
  void shift(u64 cycle, u64 delta) {
    std::vector<Slot> kept;
    for (Slot& s : slots_) {
      if (s.cycle >= cycle) kept.push_back(s);
      s = {};
    }
    for (Slot& s : kept) {
      s.cycle += delta;
      slots_[s.cycle % kCycles] = s;
    }
  }
  void visit(StateWords& words) {
    for (Slot& s : slots_) {
      words(s.cycle, s.groups);
    }
  }

 private:
  struct Slot {
    u64 cycle = 0, groups = 0;  // a byte for each group
    u64 used(Group group) const { return groups >> 8 * group & 0xff; }
  };
  static constexpr unsigned kCycles = 512;
  u32 limit_[kGroups];
  Slot slots_[kCycles];
};

}  // namespace pmusim::core
