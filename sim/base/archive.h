// SPDX-License-Identifier: Apache-2.0
// Machine state as bytes: one `archive(a)` function per class serves saving, restoring and hashing, so that
// the three can never disagree about what belongs to the state. Only integers, enums, bools and arrays of
// them are taken, never whole structs: padding has no defined value.
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

class Archive {
 public:
  Archive() = default;                                               // saving
  explicit Archive(const std::vector<u8>& bytes) : from_(&bytes) {}  // restoring

  bool saving() const { return !from_; }
  std::vector<u8> take() { return std::move(bytes_); }

  template <class T>
  void value(T& v) {
    static_assert(std::is_integral_v<T> || std::is_enum_v<T>, "archive fields, not structs");
    raw(&v, sizeof v);
  }
  template <class T, std::size_t N>
  void value(T (&v)[N]) {
    for (T& x : v) value(x);
  }
  template <class... T>
  void operator()(T&... v) {
    (value(v), ...);
  }
  template <class T>
  void list(std::vector<T>& v) {
    u64 n = v.size();
    value(n);
    if (!saving()) v.resize(n);
    for (T& x : v) {
      if constexpr (std::is_integral_v<T>)
        value(x);
      else
        x.archive(*this);
    }
  }
  void bytes(void* data, u64 size) { raw(data, size); }
  void text(std::string& s) {
    u64 n = s.size();
    value(n);
    if (!saving()) s.resize(n);
    raw(s.data(), n);
  }

 private:
  void raw(void* data, u64 size) {
    if (saving()) {
      bytes_.resize(position_ + size);
      std::memcpy(bytes_.data() + position_, data, size);
      position_ += size;
      return;
    }
    if (size > from_->size() - position_) throw std::logic_error("machine state is shorter than its layout");
    std::memcpy(data, from_->data() + position_, size);
    position_ += size;
  }

  const std::vector<u8>* from_ = nullptr;
  u64 position_ = 0;
  std::vector<u8> bytes_;
};

}  // namespace pmusim
