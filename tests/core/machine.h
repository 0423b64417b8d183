// SPDX-License-Identifier: Apache-2.0
// A small machine for tests of sim/core: 4 MiB of RAM at 0, an environment that records what it is asked,
// page tables, descriptors and gates built by hand.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "core/system/exec.h"

namespace pmusim::core::test {

struct FakeEnv : CoreEnv {
  std::map<u32, u64> msrs, counters;
  std::vector<u64> io_writes, mmio_reads, mmio_writes;
  u64 mmio_value = 0x1122334455667788;
  u64 tsc = 1000, cr8 = 0;

  bool rdmsr(u32 index, u64& value) override {
    const auto it = msrs.find(index);
    if (it == msrs.end()) return false;
    value = it->second;
    return true;
  }
  bool wrmsr(u32 index, u64 value) override {
    if (index != 0xc0000080 && !msrs.count(index)) return false;
    msrs[index] = value;
    return true;
  }
  bool rdpmc(u32 ecx, u64& value) override {
    const auto it = counters.find(ecx);
    if (it == counters.end()) return false;
    value = it->second;
    return true;
  }
  std::function<u64()> clock;  // what RDTSC reads if it is set; else tsc
  u64 rdtsc() override { return clock ? clock() : tsc; }
  u64 random() override { return 0x8877665544332211; }
  CpuidRegs cpuid(u32 leaf, u32 subleaf) override { return {leaf, subleaf, 3, 4}; }
  u64 io_read(u16 port, unsigned) override { return port | 0xabcd0000; }
  void io_write(u16, u64 value, unsigned) override { io_writes.push_back(value); }
  u64 mmio_read(u64 physical, unsigned) override {
    mmio_reads.push_back(physical);
    return mmio_value;
  }
  void mmio_write(u64 physical, u64 value, unsigned) override {
    mmio_writes.push_back(physical);
    mmio_value = value;
  }
  u64 read_cr8() override { return cr8; }
  bool write_cr8(u64 value) override {
    cr8 = value;
    return value <= 15;
  }
};

struct FakeIntercepts : Intercepts {
  bool all = false, faults_first = false;
  bool instruction(ExitKind) const override { return all; }
  bool msr(u32, bool) const override { return all; }
  bool io(u16, unsigned) const override { return all; }
  bool exception(u8, u32) const override { return all; }
  bool cr(unsigned, bool, u64) const override { return all; }
  bool external_interrupt() const override { return all; }
  bool nmi() const override { return all; }
  bool faults_before_intercept() const override { return faults_first; }
};

// Selectors of the GDT that Machine builds.
inline constexpr u16 kCode64 = 0x08, kData = 0x10, kCode32 = 0x18, kUserData = 0x20, kUserCode64 = 0x28,
                     kUserCode32 = 0x30, kAbsentData = 0x38, kTss = 0x40, kReadOnly = 0x50,
                     kConformingCode = 0x58, kExecuteOnly = 0x60, kAbsentCode = 0x68, kShortCode = 0x70,
                     kBothLD = 0x78, kGate = 0x80, kGdtEnd = 0x88;

struct Machine {
  static constexpr u64 kSize = 4 << 20, kGdt = 0x1000, kIdt = 0x2000, kTssAt = 0x4000, kTables = 0x10000,
                       kStack = 0x8000, kInnerStack = 0x9000, kIstStack = 0xa000;
  static constexpr u64 kP = 1, kW = 2, kU = 4, kA = 0x20, kD = 0x40, kPs = 0x80, kG = 0x100,
                       kNx = u64{1} << 63;

  std::vector<u8> memory = std::vector<u8>(kSize);
  Ram ram;
  FakeEnv env;
  FunctionalTiming timing{4};
  CpuState s;
  CoreConfig config;
  Mmu mmu{ram, env};
  Exec x;
  u64 next_table = kTables + 0x1000;
  unsigned syncs = 0;

  Machine() {
    ram.add(0, kSize, memory.data());
    reset(s);
    mmu.set_state(&s);
    mmu.set_world(nullptr, nullptr, 0);
    x.s = &s;
    x.mmu = &mmu;
    x.env = &env;
    x.timing = &timing;
    x.config = &config;
    x.core = this;
    x.sync = [](void* self) { ++static_cast<Machine*>(self)->syncs; };
    build_gdt();
  }
  Machine(const Machine&) = delete;

  void put(u64 at, u64 value, unsigned size = 8) { std::memcpy(&memory[at], &value, size); }
  u64 get(u64 at, unsigned size = 8) const {
    u64 value = 0;
    std::memcpy(&value, &memory[at], size);
    return value;
  }

  // access: byte 5 of the descriptor; flags: G, D/B, L, AVL.
  static u64 descriptor(u64 base, u32 limit, u8 access, u8 flags) {
    return (limit & 0xffff) | (base & 0xffffff) << 16 | u64{access} << 40 | u64{limit >> 16 & 15} << 48 |
           u64{flags} << 52 | (base >> 24 & 0xff) << 56;
  }
  void build_gdt() {
    const auto set = [this](u16 selector, u64 d) { put(kGdt + selector, d); };
    set(kCode64, descriptor(0, 0xfffff, 0x9a, 0xa));
    set(kData, descriptor(0, 0xfffff, 0x92, 0xc));
    set(kCode32, descriptor(0, 0xfffff, 0x9a, 0xc));
    set(kUserData, descriptor(0, 0xfffff, 0xf2, 0xc));
    set(kUserCode64, descriptor(0, 0xfffff, 0xfa, 0xa));
    set(kUserCode32, descriptor(0, 0xfffff, 0xfa, 0xc));
    set(kAbsentData, descriptor(0, 0xfffff, 0x12, 0xc));
    set(kTss, descriptor(kTssAt, 0x67, 0x89, 0));
    set(kReadOnly, descriptor(0, 0xfffff, 0x90, 0xc));
    set(kConformingCode, descriptor(0, 0xfffff, 0x9e, 0xc));
    set(kExecuteOnly, descriptor(0, 0xfffff, 0x98, 0xc));
    set(kAbsentCode, descriptor(0, 0xfffff, 0x1a, 0xc));
    set(kShortCode, descriptor(0, 0x1fff, 0x9a, 0x4));
    set(kBothLD, descriptor(0, 0xfffff, 0x9a, 0xe));
    set(kGate, descriptor(0, 0, 0x8c, 0));
    s.gdtr = {kGdt, kGdtEnd - 1};
    s.idtr = {kIdt, 0xfff};
  }

  Segment segment(u16 selector) {
    const u64 d = get(kGdt + (selector & 0xfff8));
    Segment g;
    g.selector = selector;
    g.base = (d >> 16 & 0xffffff) | (d >> 56) << 24;
    g.limit = static_cast<u32>((d & 0xffff) | (d >> 32 & 0xf0000));
    g.access = static_cast<u32>((d >> 40 & 0xff) | (d >> 52 & 15) << 12);
    if (g.access >> 15) g.limit = g.limit << 12 | 0xfff;
    return g;
  }
  void segments(u16 cs, u16 data) {
    s.seg[CS] = segment(cs);
    for (const Seg i : {ES, SS, DS, FS, GS}) s.seg[i] = segment(data);
    s.cpl = cs & 3;
    mmu.access_changed();
  }

  void protected_mode() {
    s.cr0 = kCr0Pe | kCr0Et | kCr0Ne;
    segments(kCode32, kData);
    s.gpr[RSP] = kStack;
    s.rip = x.next_rip = 0x5000;
    mmu.set_state(&s);
  }
  // Identity-mapped 4 MiB by 4-KiB user-writable pages.
  void long_mode() {
    protected_mode();
    s.cr4 = kCr4Pae;
    s.efer = kEferLme | kEferLma | kEferSce;
    s.cr3 = kTables;
    s.cr0 |= kCr0Pg | kCr0Wp;
    for (u64 a = 0; a < kSize; a += kPageSize) map(a, a, kP | kW | kU);
    segments(kCode64, kData);
    mmu.set_state(&s);
  }
  // Address of the 4-level entry for `linear` at `level` (1: PTE), with the tables above it created.
  u64 entry_at(u64 linear, int level) {
    u64 table = s.cr3 & ~u64{0xfff};
    for (int l = 4;; --l) {
      const u64 at = table + (linear >> (12 + 9 * (l - 1)) & 511) * 8;
      if (l == level) return at;
      if (!(get(at) & kP)) {
        put(at, next_table | kP | kW | kU);
        next_table += kPageSize;
      }
      table = get(at) & 0xffffffffff000;
    }
  }
  void map(u64 linear, u64 physical, u64 flags, int level = 1) {
    put(entry_at(linear, level), physical | flags);
  }
  void user() { segments(s.long_mode() ? kUserCode64 | 3 : kUserCode32 | 3, kUserData | 3); }
  void gate64(u8 vector, u16 selector, u64 offset, u8 type_and_p = 0x8e, u8 ist = 0) {
    put(kIdt + vector * 16, (offset & 0xffff) | u64{selector} << 16 | u64{ist} << 32 | u64{type_and_p} << 40 |
                                (offset >> 16 & 0xffff) << 48);
    put(kIdt + vector * 16 + 8, offset >> 32);
  }
  void gate32(u8 vector, u16 selector, u32 offset, u8 type_and_p = 0x8e) {
    put(kIdt + vector * 8,
        (offset & 0xffff) | u64{selector} << 16 | u64{type_and_p} << 40 | u64{offset >> 16} << 48);
  }
  void load_tss() {
    s.tr = segment(kTss);
    s.tr.access |= 2;
  }
};

template <class F>
std::optional<Fault> fault_of(F f) {
  try {
    f();
  } catch (const Fault& fault) {
    return fault;
  }
  return std::nullopt;
}
template <class F>
bool faults_with(F f, u8 vector, u32 error_code) {
  const auto fault = fault_of(f);
  return fault && fault->vector == vector && fault->has_error_code && fault->error_code == error_code;
}
template <class F>
std::optional<VmExit> exit_of(F f) {
  try {
    f();
  } catch (const ExitRequest& request) {
    return request.exit;
  }
  return std::nullopt;
}

inline PendingEvent event(u8 vector, EventType type) {
  PendingEvent e;
  e.valid = true;
  e.vector = vector;
  e.type = type;
  return e;
}
inline PendingEvent exception(u8 vector, u32 error_code) {
  PendingEvent e = event(vector, EventType::HardwareException);
  e.has_error_code = true;
  e.error_code = error_code;
  return e;
}

}  // namespace pmusim::core::test
