// SPDX-License-Identifier: Apache-2.0
// What a CPU generation is, as a value: CPUID, clocks, PMU, timing and costs; filled by models/ from JSON.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "arch/cpuid.h"
#include "base/ratio.h"
#include "core/timing/config.h"
#include "pmu/description.h"

namespace pmusim {

// One row of Linux's scheduling table for the model; the first row that matches an event applies.
struct ScheduleConstraint {
  u16 first = 0, last = 0;  // event select, inclusive
  int umask = -1;           // -1: any
  u64 counters = 0;         // GP counters allowed
};

struct AssumedValue {
  std::string path;   // JSON pointer in the model file; a CPUID leaf by its number: "/cpuid/0xa/eax"
  std::string rule;   // why this value
  std::string value;  // as the file has it; of a group "ways 4, entries 64"

  std::string set_name() const;  // as --set takes it: "model.costs.wrmsr.cycles"
};

struct CpuModel : pmu::PmuDescription {
  std::string id, name;
  CpuidTable cpuid;  // as the CPU reports it on bare metal
  u64 perf_capabilities = 0;
  std::vector<ScheduleConstraint> constraints;
  core::TimingConfig timing;
  u64 core_khz = 0, tsc_khz = 0;
  unsigned pmi_skid = 0;                           // cycles from overflow to recognition
  unsigned ipi_latency = 200;                      // cycles
  std::vector<std::pair<std::string, u32>> costs;  // core::Cost names, cycles
  bool save_global_ctrl_on_exit = false;           // VMX exit control 30
  bool pmc_virtualization = false;                 // Zen 5
  std::vector<AssumedValue> assumed;
  std::string file;

  // Of the TSC's ticks; a model without a clock has one of 1 GHz.
  Ratio nanoseconds_per_tick() const { return {1'000'000, tsc_khz ? tsc_khz : 1'000'000}; }
};

// As models, cases and reports write it.
inline const char* vendor_name(pmu::Vendor vendor) {
  return vendor == pmu::Vendor::Intel ? "intel" : "amd";
}

}  // namespace pmusim
