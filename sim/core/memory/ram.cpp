// SPDX-License-Identifier: Apache-2.0
// Host-physical memory slots, the marks of pages with decoded code, and monitored lines.
#include "core/memory/ram.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace pmusim::core {

void Ram::add(u64 address, u64 size, u8* memory) {
  if ((address | size) & kPageMask || size == 0 || address + size < address)
    throw std::invalid_argument("a memory slot must consist of whole pages");
  auto at = std::lower_bound(slots_.begin(), slots_.end(), address,
                             [](const Slot& s, u64 a) { return s.address < a; });
  if (at != slots_.end() && at->address - address < size) throw std::invalid_argument("memory slots overlap");
  if (at != slots_.begin() && address - (at - 1)->address < (at - 1)->size)
    throw std::invalid_argument("memory slots overlap");
  slots_.insert(at, Slot{address, size, memory, std::vector<bool>(size / kPageSize)});
}

void Ram::remove(u64 address) {
  for (auto it = slots_.begin(); it != slots_.end(); ++it) {
    if (it->address != address) continue;
    const u64 pages = it->code.size();
    for (u64 i = 0; i < pages; ++i) code_written(address + i * kPageSize);
    slots_.erase(it);
    for (CodeWatcher* w : watchers_) w->slot_removed();
    return;
  }
  throw std::invalid_argument("no memory slot starts at this address");
}

Ram::Slot* Ram::slot_of(u64 address) const {
  for (Slot& s : slots_)
    if (address - s.address < s.size) return &s;
  return nullptr;
}

u8* Ram::find(u64 address) const {
  const Slot* s = slot_of(address);
  return s ? s->memory + (address - s->address) : nullptr;
}

namespace {

// Calls f(host pointer, offset, bytes) for each page of [address, address + size).
template <class F>
bool for_each_page(const Ram& ram, u64 address, u64 size, F f) {
  for (u64 done = 0; done < size;) {
    const u64 n = std::min(size - done, kPageSize - ((address + done) & kPageMask));
    u8* host = ram.find(address + done);
    if (!host || !f(host, done, n)) return false;
    done += n;
  }
  return true;
}

}  // namespace

bool Ram::read(u64 address, void* to, u64 size) const {
  if (!for_each_page(*this, address, size, [](u8*, u64, u64) { return true; })) return false;
  return for_each_page(*this, address, size, [to](const u8* host, u64 at, u64 n) {
    std::memcpy(static_cast<u8*>(to) + at, host, n);
    return true;
  });
}

bool Ram::write(u64 address, const void* from, u64 size) {
  if (!for_each_page(*this, address, size, [](u8*, u64, u64) { return true; })) return false;
  return for_each_page(*this, address, size, [&](u8* host, u64 at, u64 n) {
    std::memcpy(host, static_cast<const u8*>(from) + at, n);
    written(address + at, n);
    return true;
  });
}

void Ram::watch(CodeWatcher& watcher) {
  watchers_.push_back(&watcher);
}

void Ram::unwatch(CodeWatcher& watcher) {
  watchers_.erase(std::remove(watchers_.begin(), watchers_.end(), &watcher), watchers_.end());
}

void Ram::mark_code(u64 page) {
  Slot* s = slot_of(page);
  if (!s || s->code[(page - s->address) / kPageSize]) return;
  s->code[(page - s->address) / kPageSize] = true;
  for (CodeWatcher* w : watchers_) w->page_marked(page & ~kPageMask);
}

bool Ram::has_code(u64 page) const {
  const Slot* s = slot_of(page);
  return s && s->code[(page - s->address) / kPageSize];
}

void Ram::code_written(u64 page) {
  Slot* s = slot_of(page);
  if (!s || !s->code[(page - s->address) / kPageSize]) return;
  s->code[(page - s->address) / kPageSize] = false;
  for (CodeWatcher* w : watchers_) w->code_written(page & ~kPageMask);
}

void Ram::arm(LineMonitor& monitor, u64 address) {
  disarm(monitor);
  monitor.line_ = address & ~(LineMonitor::kLine - 1);
  monitors_.push_back(&monitor);
  for (CodeWatcher* w : watchers_) w->page_marked(address & ~kPageMask);
}

void Ram::disarm(LineMonitor& monitor) {
  monitor.line_ = kNever;
  monitors_.erase(std::remove(monitors_.begin(), monitors_.end(), &monitor), monitors_.end());
}

bool Ram::monitored(u64 address, u64 size) const {
  return std::any_of(monitors_.begin(), monitors_.end(), [&](const LineMonitor* m) {
    return address < m->line_ + LineMonitor::kLine && m->line_ < address + size;
  });
}

void Ram::written(u64 address, u64 size) {
  code_written(address & ~kPageMask);
  if (!monitored(address, size)) return;
  const std::vector<LineMonitor*> before = monitors_;
  for (LineMonitor* m : before) {
    if (address >= m->line_ + LineMonitor::kLine || m->line_ >= address + size) continue;
    disarm(*m);
    m->stored();
  }
}

}  // namespace pmusim::core
