// SPDX-License-Identifier: Apache-2.0
// Page-table walks (SDM Vol. 3, "32-Bit Paging", "PAE Paging", "4-Level Paging", "Accessed and Dirty Flags").
// Every entry is reached through the second stage. Limits: see mmu.h.
#include <cstring>

#include "arch/linear_address.h"
#include "base/bits.h"
#include "core/memory/mmu.h"
#include "core/state/fault.h"

namespace pmusim::core {
namespace {

// Paging-structure entries.
constexpr u64 kPresent = 1, kWritable = 2, kUserPage = 4, kAccessed = 1 << 5, kDirty = 1 << 6,
              kLarge = 1 << 7, kGlobal = 1 << 8, kNx = u64{1} << 63;
constexpr u64 kAddressMask = 0x000ffffffffff000;

}  // namespace

// Second stage and RAM. An access the second stage does not allow is a VM-exit in guest mode and
// memory-mapped I/O for an emulator.
Mmu::Target Mmu::resolve(u64 guest_physical, u64 linear, Access access) const {
  if (!second_) return {ram_->find(guest_physical), guest_physical, true};
  const u64 offset = guest_physical & kPageMask;
  const SecondStage::Result r = second_->translate(guest_physical - offset);
  if (r.present && (access != Access::Write || r.writable)) {
    const u64 physical = (r.address & ~kPageMask) | offset;
    return {ram_->find(physical), physical, r.writable};
  }
  if (!intercepts_) return {nullptr, guest_physical, false};
  ExitRequest request;
  request.exit.kind = ExitKind::SecondStageFault;
  request.exit.guest_physical = guest_physical;
  request.exit.guest_linear = linear;
  request.exit.write = access == Access::Write;
  request.exit.fetch = access == Access::Fetch;
  throw request;
}

// Reads the next entry of a walk; false ends the walk. An entry outside RAM reads as all ones.
bool Mmu::step(Walk& w, u64 address, u64 linear, bool quiet) const {
  u64 entry = mask(w.entry_size * 8u);
  const u8* host = nullptr;
  if (quiet && second_) {
    const SecondStage::Result r = second_->translate(address & ~kPageMask);
    if (!r.present) {
      w.result = Walk::Unreadable;
      return false;
    }
    host = ram_->find((r.address & ~kPageMask) | (address & kPageMask));
  } else {
    host = resolve(address, linear, Access::Read).host;
  }
  if (host) {
    entry = 0;
    std::memcpy(&entry, host, w.entry_size);
  }
  w.entry_address[w.levels] = address;
  w.entry[w.levels++] = entry;
  if (!(entry & kPresent)) w.result = Walk::NotPresent;
  return entry & kPresent;
}

Mmu::Walk Mmu::walk(u64 linear, bool quiet) const {
  Walk w;
  if (s_->efer & kEferLma) {
    if (!canonical(linear)) {
      w.result = Walk::NonCanonical;
      return w;
    }
  } else {
    linear &= 0xffffffff;
  }
  if (!s_->paging()) {
    w.address = linear;
    return w;
  }
  const auto reserved = [&w](u64 entry, u64 bits) {
    if (entry & bits) w.result = Walk::Reserved;
    return (entry & bits) != 0;
  };
  const auto rights = [&w](u64 entry) {
    w.writable &= (entry & kWritable) != 0;
    w.user &= (entry & kUserPage) != 0;
    w.executable &= !(entry & kNx);
  };

  if (!(s_->cr4 & kCr4Pae)) {  // "32-Bit Paging"
    w.entry_size = 4;
    if (!step(w, (s_->cr3 & 0xfffff000) + bits(linear, 31, 22) * 4, linear, quiet)) return w;
    const u64 pde = w.entry[0];
    rights(pde);
    if (pde & kLarge && s_->cr4 & kCr4Pse) {  // PSE-36: bits 20:13 are address bits 39:32
      const u64 base = (pde & 0xffc00000) | bits(pde, 20, 13) << 32;
      if (reserved(pde, bit(21)) || reserved(base, ~mask(physical_bits_))) return w;
      w.address = base | (linear & 0x3fffff);
      w.page_shift = 22;
      w.global = pde & kGlobal;
      return w;
    }
    if (!step(w, (pde & 0xfffff000) + bits(linear, 21, 12) * 4, linear, quiet)) return w;
    rights(w.entry[1]);
    w.address = (w.entry[1] & 0xfffff000) | (linear & kPageMask);
    w.page_shift = 12;
    w.global = w.entry[1] & kGlobal;
    return w;
  }

  // "PAE Paging", "4-Level Paging"
  const bool long_mode = s_->efer & kEferLma;
  u64 always_reserved = kAddressMask & ~mask(physical_bits_);
  if (!(s_->efer & kEferNxe)) always_reserved |= kNx;
  if (!long_mode) always_reserved |= mask(63) & ~mask(52);
  u64 table = long_mode ? s_->cr3 & kAddressMask : s_->cr3 & 0xffffffe0;
  for (int level = long_mode ? 4 : 3;; --level) {
    const unsigned shift = 12 + 9 * (level - 1);
    const bool pdpte = !long_mode && level == 3;
    if (!step(w, table + bits(linear, shift + (pdpte ? 1 : 8), shift) * 8, linear, quiet)) return w;
    const u64 entry = w.entry[w.levels - 1];
    if (reserved(entry, always_reserved)) return w;
    if (pdpte) {  // no rights, no accessed flag
      if (reserved(entry, kNx | 0x1e6)) return w;
      w.no_accessed |= static_cast<u8>(1 << (w.levels - 1));
      table = entry & kAddressMask;
      continue;
    }
    rights(entry);
    const bool may_be_large = level == 2 || (level == 3 && features_.has(Feature::Pages1g));
    if (level == 1 || (may_be_large && entry & kLarge)) {
      if (level > 1 && reserved(entry, mask(shift) & ~mask(13))) return w;
      w.address = (entry & kAddressMask & ~mask(shift)) | (linear & mask(shift));
      w.page_shift = static_cast<u8>(shift);
      w.global = entry & kGlobal;
      return w;
    }
    if (level >= 3 && reserved(entry, kLarge)) return w;
    table = entry & kAddressMask;
  }
}

void Mmu::update_accessed_and_dirty(const Walk& w, u64 linear, bool write) {
  for (unsigned i = 0; i < w.levels; ++i) {
    u64 wanted = w.entry[i];
    if (!(w.no_accessed >> i & 1)) wanted |= kAccessed;
    if (write && i + 1u == w.levels) wanted |= kDirty;
    if (wanted == w.entry[i]) continue;
    const Target t = resolve(w.entry_address[i], linear, Access::Write);
    if (t.host) write_target(t, wanted, w.entry_size);
  }
}

}  // namespace pmusim::core
