// SPDX-License-Identifier: Apache-2.0
// Host-physical memory as slots of externally owned memory, and the notices that a page with decoded code
// or a monitored line was written. Addresses outside every slot are memory-mapped I/O.
#pragma once

#include <vector>

#include "base/types.h"

namespace pmusim::core {

inline constexpr u64 kPageSize = 4096;
inline constexpr u64 kPageMask = kPageSize - 1;

// Told when bytes of a page that holds decoded code have changed; and, for translation caches, when stores to
// a page must be told of from now on and when a slot goes away.
class CodeWatcher {
 public:
  virtual ~CodeWatcher() = default;
  virtual void code_written(u64 page) = 0;  // host-physical address of the page
  virtual void page_marked(u64 /*page*/) {}
  virtual void slot_removed() {}
};

// The line whose stores a CPU waits for (MONITOR). One store ends it.
class LineMonitor {
 public:
  static constexpr u64 kLine = 64;  // bytes; what CPUID leaf 5 says
  virtual ~LineMonitor() = default;
  virtual void stored() = 0;  // no longer armed when called
  bool armed() const { return line_ != kNever; }
  u64 line() const { return line_; }

 private:
  friend class Ram;
  u64 line_ = kNever;
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
  // of all CPUs to it leave the fast path); written() clears the mark and tells every watcher.
  void watch(CodeWatcher& watcher);
  void unwatch(CodeWatcher& watcher);
  void mark_code(u64 page);
  bool has_code(u64 page) const;

  // Monitored lines: likewise. `address` is anywhere in the line.
  void arm(LineMonitor& monitor, u64 address);
  void disarm(LineMonitor& monitor);
  bool monitored(u64 address, u64 size) const;

  // Must stores to this page be told of?
  bool marked(u64 page) const { return has_code(page) || monitored(page & ~kPageMask, kPageSize); }
  // After a store to a marked page; write() does so itself. The bytes lie in one page.
  void written(u64 address, u64 size);

 private:
  struct Slot {
    u64 address, size;
    u8* memory;
    std::vector<bool> code;  // one per page
  };
  Slot* slot_of(u64 address) const;
  void code_written(u64 page);

  mutable std::vector<Slot> slots_;  // sorted by address
  std::vector<CodeWatcher*> watchers_;
  std::vector<LineMonitor*> monitors_;  // those that are armed
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
