// SPDX-License-Identifier: Apache-2.0
// Guest RAM: one anonymous mapping without reservation, so that unused memory costs nothing, and cleared by
// giving the pages back.
#pragma once

#include "base/archive.h"
#include "base/types.h"

namespace pmusim::platform {

class GuestMemory {
 public:
  GuestMemory() = default;
  ~GuestMemory();
  GuestMemory(const GuestMemory&) = delete;
  GuestMemory& operator=(const GuestMemory&) = delete;

  void reset(u64 size);  // all zero; a multiple of 4096. The address changes only with the size.
  u8* data() const { return data_; }
  u64 size() const { return size_; }

  void archive(Archive& a);  // pages that are not all zero
  void hash(Hash& h) const;

 private:
  void release();
  bool page_is_zero(u64 page) const;
  u8* data_ = nullptr;
  u64 size_ = 0;
};

}  // namespace pmusim::platform
