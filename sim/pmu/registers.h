// SPDX-License-Identifier: Apache-2.0
// PMU registers as the table of arch/pmu_registers.h describes them, and their values. What an access does is
// a rule in a layer (rules.h); both the hardware PMU and a hypervisor's vPMU use these descriptions and this
// storage. What is not modelled is said in the table.
#pragma once

#include <cstring>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "arch/pmu_registers.h"
#include "base/archive.h"
#include "base/types.h"

namespace pmusim::pmu {

enum class Vendor : u8 { Intel, Amd };

inline constexpr unsigned kMaxGp = 16;
inline constexpr unsigned kMaxFixed = 16;
static_assert(kMaxGp == kMaxFixed, "RegStorage has one type for both");
inline constexpr unsigned kFixedBase = 32;  // counter index of fixed counter 0, also its bit in GLOBAL_*
inline constexpr unsigned kPebsBit = 62;    // "counter index" of PEBS, the bit of its buffer in GLOBAL_STATUS
inline constexpr unsigned kMetricsBit = 48;  // "counter index" of IA32_PERF_METRICS, its bit in GLOBAL_*

enum class Reg : u8 {
#define REG_OF_BOTH(reg, id, access, storage, asset, intel, amd) reg,
#define REG_OF_ONE(reg, id, access, storage, asset, place) reg,
  PMU_REGISTERS_OF_BOTH(REG_OF_BOTH) PMU_REGISTERS_OF_INTEL(REG_OF_ONE) PMU_REGISTERS_OF_AMD(REG_OF_ONE)
#undef REG_OF_BOTH
#undef REG_OF_ONE
      Number
};
inline constexpr unsigned kRegs = static_cast<unsigned>(Reg::Number);

// How a register keeps its value, unless a rule says otherwise.
enum class RegAccess : u8 {
  Stored,            // reads what was written
  WriteOnesToClear,  // bits of another register; reads 0
  WriteOnesToSet,    // likewise
  Computed,          // a rule reads it; nothing is stored
};

struct Registers;

// The member of Registers that a register's value is in; none for those that are computed.
struct RegStorage {
  u64 (Registers::*array)[kMaxGp] = nullptr;  // one value per index
  u64 Registers::*single = nullptr;

  constexpr bool none() const { return !array && !single; }
  u64& of(Registers& regs, unsigned index) const { return array ? (regs.*array)[index] : regs.*single; }
  u64 of(const Registers& regs, unsigned index) const { return array ? (regs.*array)[index] : regs.*single; }
};

struct RegDescription {
  Reg reg;
  const char* id;  // as cases print it: "gp_selector"
  RegAccess access;
  RegStorage storage;
  Vendor vendor;
  const char* name;  // as the manual prints it, "n" standing for the index
  u32 address;       // of index 0
  u32 stride;
  u32 count;   // most that the architecture has room for here
  bool saved;  // KVM_GET_MSR_INDEX_LIST names it
};

struct RegRef {
  Reg reg;
  u8 index;
};

// Every description of a vendor, in the order of Reg.
std::vector<RegDescription> register_descriptions(Vendor vendor);
// std::logic_error if the vendor has no such register.
const RegDescription& describe(Vendor vendor, Reg reg);

// The register at an MSR address for that vendor, whether or not a model has it.
std::optional<RegRef> find_register(Vendor vendor, u32 msr);
u32 address_of(Vendor vendor, Reg reg, unsigned index);
std::string name_of(Vendor vendor, RegRef ref);  // "IA32_PERFEVTSEL2"

// What a CPU or a vCPU says it has: from CPUID (0AH, 1, 80000001H, 80000022H) and IA32_PERF_CAPABILITIES.
struct Caps {
  Vendor vendor = Vendor::Intel;
  u8 version = 0;  // Intel: leaf 0AH; AMD: 2 with PerfMonV2, else 1; 0: no PMU
  u8 gp_count = 0;
  u8 gp_width = 0;
  u8 fixed_width = 0;
  u32 fixed_mask = 0;
  u32 arch_events = 0;  // available architectural events (positive logic)
  bool anythread_deprecated = false;
  bool pdcm = false;  // IA32_PERF_CAPABILITIES exists
  u64 perf_capabilities = 0;
  bool perfctr_core = false;  // AMD: six counters at C001_0200h
  bool rtm = false;           // IN_TX bits exist
  u8 slots_width = 0;
  bool ds = false;          // Intel: debug store, IA32_DS_AREA exists
  bool pmc_freeze = false;  // AMD: DEBUGCTL[12] freezes core counters (80000022H EAX[2])

  unsigned fixed_count() const { return static_cast<unsigned>(__builtin_popcount(fixed_mask)); }
  bool has_counter(unsigned counter) const {
    return counter < kFixedBase ? counter < gp_count
                                : counter < kFixedBase + 32 && fixed_mask >> (counter - kFixedBase) & 1;
  }
  u8 width_of(unsigned counter) const { return counter < kFixedBase ? gp_width : fixed_width; }
  u8 pebs_format() const { return pdcm ? perf_capabilities >> 8 & 0xf : 0; }
  bool pebs_baseline() const { return pdcm && (perf_capabilities >> 14 & 1); }
  bool metrics() const { return pdcm && (perf_capabilities >> 15 & 1); }
  bool full_width_writes() const { return pdcm && (perf_capabilities >> 13 & 1); }
  u64 gp_bits() const { return (u64{1} << gp_count) - 1; }
  u64 counter_bits() const { return gp_bits() | static_cast<u64>(fixed_mask) << kFixedBase; }
};

// Register values: storage and nothing else.
struct Registers {
  u64 selector[kMaxGp] = {};
  u64 gp[kMaxGp] = {};
  u64 fixed[kMaxFixed] = {};
  u64 fixed_ctrl = 0;
  u64 global_ctrl = 0;
  u64 global_status = 0;
  u64 debugctl = 0;  // freeze bits; the MSR itself belongs to the CPU
  u64 pebs_enable = 0;
  u64 pebs_data_cfg = 0;
  u64 ds_area = 0;
  u64 perf_metrics = 0;  // as written; its fields are not computed

  void archive(Archive& a) { a.bytes(this, sizeof *this); }

  u64& counter(unsigned index) { return index < kFixedBase ? gp[index] : fixed[index - kFixedBase]; }
  u64 counter(unsigned index) const { return index < kFixedBase ? gp[index] : fixed[index - kFixedBase]; }
};
static_assert(std::has_unique_object_representations_v<Registers>, "compared and archived as bytes");
inline bool operator==(const Registers& a, const Registers& b) {
  return std::memcmp(&a, &b, sizeof a) == 0;
}

}  // namespace pmusim::pmu
