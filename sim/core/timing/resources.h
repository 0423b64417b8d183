// SPDX-License-Identifier: Apache-2.0
// What instructions in flight share: windows that free their entries in order, and ports by cycle.
#pragma once

#include <algorithm>
#include <vector>

#include "base/archive.h"

namespace pmusim::core {

// A queue of fixed size whose entries are taken and freed in program order.
class Window {
 public:
  explicit Window(u32 size) : free_at_(size), size_(size) {}
  u64 free_at() const { return free_at_[next_]; }  // when the next entry to take is free
  void take(u64 until) {
    free_at_[next_] = until;
    if (++next_ == size_) next_ = 0;
  }
  // f(cycle) for each entry, the next to take first.
  template <class F>
  void each(F f) {
    for (u32 i = 0; i < size_; ++i) f(free_at_[(next_ + i) % size_]);
  }
  void archive(WordArchive& a) {
    std::rotate(free_at_.begin(), free_at_.begin() + next_, free_at_.end());
    next_ = 0;
    for (u64& cycle : free_at_) a(cycle);
  }

 private:
  std::vector<u64> free_at_;
  u32 size_, next_ = 0;
};

// Room for operations to begin per cycle, by group of ports. Nothing begins before the cycle of dispatch;
// requests for kCycles beyond it, or more, are granted at once.
class Ports {
 public:
  enum Group : u8 { kLoad, kStore, kAlu, kMultiply, kVector, kGroups };
  Ports(u32 load, u32 store, u32 alu, u32 multiply, u32 vector)
      : limit_{static_cast<u8>(load), static_cast<u8>(store), static_cast<u8>(alu), static_cast<u8>(multiply),
               static_cast<u8>(vector)} {
    clear();
  }

  // Requests follow for `dispatch` and later.
  void dispatch_at(u64 dispatch) {
    dispatch_ = dispatch;
    if (dispatch >= base_ + kWord) forget_before(dispatch);
  }
  u64 take(Group group, u64 cycle) {
    if (cycle - dispatch_ >= kCycles) return cycle;
    u8* room = &room_[group][cycle % kTable];
    // A branch: the host guesses that there is room, and goes on before the table has answered.
    if (!*room) {
      do ++cycle;
      while (!room_[group][cycle % kTable]);
      if (cycle - dispatch_ >= kCycles) return cycle;
      room = &room_[group][cycle % kTable];
    }
    --*room;
    return cycle;
  }
  // What begins at the cycle of dispatch and later.
  void pattern(WordArchive& a) {
    for (u64 c = dispatch_; c < dispatch_ + kCycles; ++c) {
      u64 groups = room_at(c);
      a(groups);
    }
  }
  // Moves everything in time; what began before the cycle of dispatch is forgotten.
  void shift(u64 cycles) {
    std::vector<u64> room;
    for (u64 c = dispatch_; c < dispatch_ + kCycles; ++c) room.push_back(room_at(c));
    set(dispatch_ + cycles, room);
  }
  void archive(WordArchive& a) {
    a(dispatch_);
    std::vector<u64> room;
    for (u64 c = dispatch_; c < dispatch_ + kCycles; ++c) {
      u64 groups = room_at(c);
      a(groups);
      room.push_back(groups);
    }
    if (!a.saving()) set(dispatch_, room);
  }

 private:
  // The table is as long as a request may be ahead, and a word more that always has room.
  static constexpr u64 kWord = 64, kTable = 1024, kCycles = kTable - kWord;

  // A byte for each group.
  u64 room_at(u64 cycle) const {
    u64 groups = 0;
    for (unsigned g = 0; g < kGroups; ++g) groups |= u64{room_[g][cycle % kTable]} << 8 * g;
    return groups;
  }
  void set(u64 dispatch, const std::vector<u64>& room) {
    clear();
    dispatch_ = dispatch;
    base_ = dispatch / kWord * kWord;
    for (u64 i = 0; i < room.size(); ++i)
      for (unsigned g = 0; g < kGroups; ++g)
        room_[g][(dispatch + i) % kTable] = static_cast<u8>(room[i] >> 8 * g);
  }
  void clear() {
    for (unsigned g = 0; g < kGroups; ++g) std::fill_n(room_[g], kTable, limit_[g]);
  }
  void forget_before(u64 dispatch) {
    const u64 base = dispatch / kWord * kWord;
    if (base - base_ >= kTable) base_ = base - kTable;
    for (; base_ < base; base_ += kWord)
      for (unsigned g = 0; g < kGroups; ++g) std::fill_n(room_[g] + base_ % kTable, kWord, limit_[g]);
  }

  u8 limit_[kGroups];
  u64 dispatch_ = 0, base_ = 0;  // base_: the table's first cycle, a multiple of kWord
  u8 room_[kGroups][kTable];
};

}  // namespace pmusim::core
