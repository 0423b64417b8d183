// SPDX-License-Identifier: Apache-2.0
// Linear to host-physical: segmentation is done by the caller, paging (none, 32-bit, PAE, 4-level; 4K, 2M/4M,
// 1G), permissions, accessed and dirty bits, second stage and a tagged TLB here. Data accesses are templates
// with a TLB fast path; accesses that cross a page, miss, or reach MMIO take the slow path.
// Not modelled: 5-level paging, PCIDs (CR3 writes flush), SMEP/SMAP, protection keys, memory types.
#pragma once

#include <cstring>

#include "core/env.h"
#include "core/intercepts.h"
#include "core/ram.h"
#include "core/state.h"

namespace pmusim::core {

class Mmu {
 public:
  Mmu(Ram& ram, CoreEnv& env) : ram_(&ram), env_(&env) {}

  void set_state(CpuState* state) { s_ = state; flush_all(); }
  void set_world(const SecondStage* second, const Intercepts* intercepts, u16 tag);
  void set_physical_bits(unsigned bits) { physical_bits_ = bits; }

  // Data accesses with the rights of the current CPL. T: u8, u16, u32, u64.
  template <class T>
  T read(u64 linear) {
    const Entry& e = tlb_[index(linear)];
    if (e.read_tag == (tag_of(linear)) && (linear & kPageMask) <= kPageSize - sizeof(T)) {
      T value;
      std::memcpy(&value, e.host + (linear & kPageMask), sizeof(T));
      return value;
    }
    return static_cast<T>(read_slow(linear, sizeof(T), false));
  }
  template <class T>
  void write(u64 linear, T value) {
    const Entry& e = tlb_[index(linear)];
    if (e.write_tag == (tag_of(linear)) && (linear & kPageMask) <= kPageSize - sizeof(T)) {
      std::memcpy(e.host + (linear & kPageMask), &value, sizeof(T));
      return;
    }
    write_slow(linear, value, sizeof(T));
  }
  // Reads and checks that a write to the same bytes cannot fault: for read-modify-write instructions.
  template <class T>
  T read_for_write(u64 linear) {
    const Entry& e = tlb_[index(linear)];
    if (e.write_tag == (tag_of(linear)) && (linear & kPageMask) <= kPageSize - sizeof(T)) {
      T value;
      std::memcpy(&value, e.host + (linear & kPageMask), sizeof(T));
      return value;
    }
    return static_cast<T>(read_slow(linear, sizeof(T), true));
  }
  // Faults as a write of `size` bytes would, writes nothing.
  void probe_write(u64 linear, unsigned size);

  // Accesses of the CPU itself with supervisor rights whatever the CPL (descriptor tables, TSS, IDT, IST stacks).
  u64 read_system(u64 linear, unsigned size);
  void write_system(u64 linear, u64 value, unsigned size);

  // Code: host-physical address and pointer of an instruction byte; faults as a fetch. Valid to the page's end.
  struct Code {
    u64 physical;
    const u8* host;
  };
  Code fetch(u64 linear);

  // For diagnostics and VM introspection: no faults, no A/D updates; false if not mapped. `guest_physical` is
  // the result of the first stage.
  bool translate_quietly(u64 linear, u64& guest_physical) const;

  void flush_all();                // e.g. CR0/CR4/EFER paging bits
  void flush_non_global();         // CR3 write
  void flush_page(u64 linear);     // INVLPG
  void flush_tag(u16 tag);
  void code_marked(u64 page);      // stores to this host-physical page must take the slow path from now on

  u64 page_walks = 0;              // completed walks

 private:
  // read_tag / write_tag: page number with address-space tag and CPL class, or kNever: a mismatch means slow path.
  // write_tag is kNever for read-only, clean and code pages and MMIO.
  struct Entry {
    u64 read_tag = kNever, write_tag = kNever, fetch_tag = kNever;
    u8* host = nullptr;
    u64 physical = 0;
    bool global = false;
  };
  static constexpr unsigned kEntries = 1024;
  static unsigned index(u64 linear) { return static_cast<unsigned>(linear >> 12) % kEntries; }
  // 52 bits of page number; CPL class and address-space tag above them.
  u64 tag_of(u64 linear) const { return (linear >> 12) ^ space_; }

  u64 read_slow(u64 linear, unsigned size, bool for_write);
  void write_slow(u64 linear, u64 value, unsigned size);

  Ram* ram_;
  CoreEnv* env_;
  CpuState* s_ = nullptr;
  const SecondStage* second_ = nullptr;
  const Intercepts* intercepts_ = nullptr;
  u64 space_ = 0;  // recomputed when tag or CPL changes: see cpl_changed()
  u16 tag_ = 0;
  unsigned physical_bits_ = 46;
  Entry tlb_[kEntries];

 public:
  void cpl_changed();  // call after any change of s_->cpl
};

}  // namespace pmusim::core
