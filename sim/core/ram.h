// SPDX-License-Identifier: Apache-2.0
// Host-physical memory as slots of externally owned memory, and the notice that a page with decoded code
// was written. Addresses outside every slot are memory-mapped I/O.
#pragma once

#include <vector>

#include "base/types.h"

namespace pmusim::core {

inline constexpr u64 kPageSize = 4096;
inline constexpr u64 kPageMask = kPageSize - 1;

// Told when bytes of a page that holds decoded code have changed; and, for translation caches, when a page
// starts to hold decoded code and when a slot goes away.
class CodeWatcher {
 public:
  virtual ~CodeWatcher() = default;
  virtual void code_written(u64 page) = 0;  // host-physical address of the page
  virtual void code_marked(u64 /*page*/) {}
  virtual void slot_removed() {}
};

class Ram {
 public:
  // address and size are multiples of the page size; memory stays the caller's and must outlive the slot.
  // Overlap with an existing slot throws std::invalid_argument.
  void add(u64 address, u64 size, u8* memory);
  void remove(u64 address);  // the slot that starts there; decoded code of it is dropped

  // Host pointer of an address, or nullptr outside every slot. Valid up to the page's end.
  u8* find(u64 address) const;

  // Copies across pages; false if any byte lies outside the slots (nothing is then copied).
  bool read(u64 address, void* to, u64 size) const;
  bool write(u64 address, const void* from, u64 size);

  // Decoded code. A page is marked once a watcher has decoded from it (every watcher is told, so that stores
  // of all CPUs to it leave the fast path); a store to a marked page must call code_written() afterwards,
  // which clears the mark and tells every watcher. write() does so itself.
  void watch(CodeWatcher& watcher);
  void unwatch(CodeWatcher& watcher);
  void mark_code(u64 page);
  bool has_code(u64 page) const;
  void code_written(u64 page);

 private:
  struct Slot {
    u64 address, size;
    u8* memory;
    std::vector<bool> code;  // one per page
  };
  Slot* slot_of(u64 address) const;

  mutable std::vector<Slot> slots_;  // sorted by address
  std::vector<CodeWatcher*> watchers_;
};

// Second stage of translation: guest-physical to host-physical (EPT, NPT).
class SecondStage {
 public:
  struct Result {
    bool present = false;  // false: EPT violation / nested page fault, or MMIO for an emulator
    bool writable = false;
    u64 address = 0;
  };
  virtual ~SecondStage() = default;
  virtual Result translate(u64 guest_physical) const = 0;
};

}  // namespace pmusim::core
