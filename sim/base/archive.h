// SPDX-License-Identifier: Apache-2.0
// Machine state as bytes or as words: one `archive(a)` function per class serves saving, restoring and
// hashing, so that the three can never disagree about what belongs to the state. Only integers, enums and
// bools are taken, never the bytes of a struct: padding has no defined value.
#pragma once

#include <cstring>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "base/types.h"

namespace pmusim {

// FNV-1a, 64 bit, over 8-byte words and a byte tail. Detects differences; no cryptographic strength.
class Hash {
 public:
  void add(const void* data, u64 size) {
    const u8* p = static_cast<const u8*>(data);
    for (; size >= 8; p += 8, size -= 8) {
      u64 word;
      std::memcpy(&word, p, 8);
      mix(word);
    }
    for (; size; ++p, --size) mix(*p);
  }
  void mix(u64 word) { value_ = (value_ ^ word) * 0x100000001b3u, value_ ^= value_ >> 32; }
  u64 value() const { return value_; }

 private:
  u64 value_ = 0xcbf29ce484222325u;
};

// State of this unit. What has fields of its own says in archive(a) which they are: a(first, second, ...).
template <class Unit>
class BasicArchive {
 public:
  BasicArchive() = default;                                                 // saving
  explicit BasicArchive(const std::vector<Unit>& state) : from_(&state) {}  // restoring

  bool saving() const { return !from_; }
  std::vector<Unit> take() { return std::move(state_); }

  template <class... T>
  void operator()(T&... v) {
    (value(v), ...);
  }
  template <class T>
  void list(std::vector<T>& v) {
    u64 n = v.size();
    value(n);
    if (!saving()) v.resize(n);
    for (T& x : v) value(x);
  }
  void text(std::string& s) {
    u64 n = s.size();
    value(n);
    if (!saving()) s.resize(n);
    bytes(s.data(), n);
  }
  void bytes(void* data, u64 size) {
    static_assert(sizeof(Unit) == 1, "words hold values");
    if (saving()) {
      const u8* first = static_cast<const u8*>(data);
      state_.insert(state_.end(), first, first + size);
    } else {
      std::memcpy(data, next(size), size);
    }
  }

 private:
  template <class T>
  void value(T& v) {
    if constexpr (std::is_class_v<T>) {
      v.archive(*this);
    } else {
      static_assert(std::is_integral_v<T> || std::is_enum_v<T>, "a value has no padding");
      if constexpr (sizeof(Unit) == 1)
        bytes(&v, sizeof v);
      else if (saving())
        state_.push_back(static_cast<Unit>(v));
      else
        v = static_cast<T>(*next(1));
    }
  }
  template <class T, std::size_t N>
  void value(T (&v)[N]) {
    for (T& x : v) value(x);
  }
  const Unit* next(u64 units) {
    if (units > from_->size() - position_) throw std::logic_error("machine state is shorter than its layout");
    position_ += units;
    return from_->data() + position_ - units;
  }

  const std::vector<Unit>* from_ = nullptr;
  u64 position_ = 0;  // in from_
  std::vector<Unit> state_;
};

using Archive = BasicArchive<u8>;
using WordArchive = BasicArchive<u64>;  // a word per value: of timing models, which compare it often

}  // namespace pmusim
