// SPDX-License-Identifier: Apache-2.0
// Timing state as 64-bit words: one visit(...) per class both saves and restores, so that the two cannot
// disagree. A hash of the state is a hash of the saved words.
#pragma once

#include <stdexcept>
#include <type_traits>
#include <vector>

#include "base/types.h"

namespace pmusim::core {

class StateWords {
 public:
  StateWords() = default;                                                // saving
  explicit StateWords(const std::vector<u64>& words) : from_(&words) {}  // restoring

  bool saving() const { return !from_; }
  std::vector<u64> take() { return std::move(words_); }

  template <class T>
  void value(T& v) {
    static_assert(std::is_integral_v<T> || std::is_enum_v<T>, "visit fields, not structs");
    if (saving()) {
      words_.push_back(static_cast<u64>(v));
      return;
    }
    if (at_ == from_->size()) throw std::logic_error("timing state is shorter than its layout");
    v = static_cast<T>((*from_)[at_++]);
  }
  template <class... T>
  void operator()(T&... v) {
    (value(v), ...);
  }

 private:
  const std::vector<u64>* from_ = nullptr;
  std::size_t at_ = 0;
  std::vector<u64> words_;
};

}  // namespace pmusim::core
