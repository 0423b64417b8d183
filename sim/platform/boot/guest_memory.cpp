// SPDX-License-Identifier: Apache-2.0
// Guest RAM from mmap. Linux only.
#include "platform/boot/guest_memory.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <system_error>

namespace pmusim::platform {
namespace {
constexpr u64 kPage = 4096;
}

GuestMemory::~GuestMemory() {
  release();
}

void GuestMemory::release() {
  if (data_) munmap(data_, size_);
  data_ = nullptr;
  size_ = 0;
}

void GuestMemory::reset(u64 size) {
  if (data_ && size == size_) {
    if (madvise(data_, size_, MADV_DONTNEED) != 0)
      throw std::system_error(errno, std::generic_category(), "clearing guest memory");
    return;
  }
  release();
  void* p = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "allocating guest memory");
  data_ = static_cast<u8*>(p);
  size_ = size;
}

bool GuestMemory::page_is_zero(u64 page) const {
  const u8* p = data_ + page * kPage;
  return p[0] == 0 && std::memcmp(p, p + 1, kPage - 1) == 0;
}

void GuestMemory::archive(Archive& a) {
  u64 size = size_, count = 0;
  if (a.saving())
    for (u64 page = 0; page < size_ / kPage; ++page) count += !page_is_zero(page);
  a(size, count);
  if (a.saving()) {
    for (u64 page = 0; page < size_ / kPage; ++page) {
      if (page_is_zero(page)) continue;
      a(page);
      a.bytes(data_ + page * kPage, kPage);
    }
    return;
  }
  if (size != size_) throw std::logic_error("machine state restored into another memory size");
  reset(size);
  for (u64 i = 0; i < count; ++i) {
    u64 page = 0;
    a(page);
    if (page >= size_ / kPage) throw std::logic_error("machine state names a page outside memory");
    a.bytes(data_ + page * kPage, kPage);
  }
}

void GuestMemory::hash(Hash& h) const {
  for (u64 page = 0; page < size_ / kPage; ++page) {
    if (page_is_zero(page)) continue;
    h.mix(page);
    h.add(data_ + page * kPage, kPage);
  }
}

}  // namespace pmusim::platform
