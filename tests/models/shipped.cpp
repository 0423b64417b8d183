// SPDX-License-Identifier: Apache-2.0
// The model files that come with the program. Expected values: InstLatX64 CPUID dumps, and the event
// lists of intel/perfmon and Linux pmu-events.
#include <doctest/doctest.h>

#include <algorithm>

#include "arch/count.h"
#include "base/bits.h"
#include "base/data.h"
#include "base/schema.h"
#include "models/models.h"

using namespace pmusim;

namespace {

const pmu::EventInfo* event(const CpuModel& m, u16 code, u8 umask) {
  return pmu::find_gp_event(m.events, code, umask, 0);
}

u64 cost(const CpuModel& m, const std::string& name) {
  for (const auto& [key, cycles] : m.costs)
    if (key == name) return cycles;
  FAIL("no cost " << name);
  return 0;
}

}  // namespace

TEST_CASE("the shipped models are those of the six generations, and each loads") {
  CHECK(models::model_ids() == std::vector<std::string>{"icx", "skx", "spr", "zen3", "zen4", "zen5"});
  for (const std::string& id : models::model_ids()) {
    CAPTURE(id);
    const CpuModel m = models::load_model(id);
    CHECK(m.id == id);
    CHECK(m.costs.size() == 18);
    CHECK_FALSE(m.assumed.empty());
  }
}

TEST_CASE("the schema uses only words that the validator knows") {
  CHECK_NOTHROW(Schema(load_json(data_path("models/schema.json"))));
}

TEST_CASE("versions, counts and widths are those of the hardware's CPUID") {
  struct Row {
    const char* id;
    unsigned version, gp;
    u32 fixed;
  };
  for (const Row& row : {Row{"skx", 4, 4, 0x7}, Row{"icx", 5, 8, 0xf}, Row{"spr", 5, 8, 0xf},
                         Row{"zen3", 1, 6, 0}, Row{"zen4", 2, 6, 0}, Row{"zen5", 2, 6, 0}}) {
    CAPTURE(row.id);
    const CpuModel m = models::load_model(row.id);
    CHECK(m.caps.version == row.version);
    CHECK(m.caps.gp_count == row.gp);
    CHECK(m.caps.fixed_mask == row.fixed);
    CHECK(m.caps.gp_width == 48);
    if (row.fixed) CHECK(m.caps.fixed_width == 48);
  }
}

TEST_CASE(
    "leaf 0AH is the hardware's, and under functional timing lacks the events of caches and predictor") {
  struct Row {
    const char* id;
    u32 eax, ecx, edx;
  };
  for (const Row& row : {Row{"skx", 0x07300404, 0, 0x603}, Row{"icx", 0x08300805, 0xf, 0x8604},
                         Row{"spr", 0x08300805, 0xf, 0x8604}}) {
    for (const bool interval : {false, true}) {
      const CpuModel m = models::load_model(row.id, {}, interval);
      const CpuidRegs leaf = m.cpuid.read(0xa, 0);
      const u32 missing = interval ? 0 : 0x58;  // LLC references, LLC misses and branch mispredicts
      CHECK(leaf.eax == row.eax);
      CHECK(leaf.ebx == missing);
      CHECK(leaf.ecx == row.ecx);
      CHECK(leaf.edx == row.edx);
      CHECK((~m.caps.arch_events & 0x7f) == missing);
    }
  }
}

TEST_CASE("an event of caches, TLBs or the predictor is counted under interval timing alone") {
  struct Row {
    const char* id;
    u16 code;
    u8 umask;
    CountMask kinds;
  };
  const CountMask dram = mask_of(Count::DataDram) | mask_of(Count::RfoDram) | mask_of(Count::CodeDram) |
                         mask_of(Count::WalkDram) | mask_of(Count::L1PrefetchDram);
  const CountMask mispredicts = mask_of(Count::MispCondTaken, Count::MispReturn);
  for (const Row& row :
       {Row{"spr", 0x2e, 0x41, dram}, Row{"skx", 0x2e, 0x41, dram}, Row{"icx", 0xc5, 0, mispredicts},
        Row{"zen4", 0xc3, 0, mispredicts}, Row{"spr", 0xd1, 0x20, mask_of(Count::LoadDram)},
        Row{"zen4", 0x43, 8, mask_of(Count::DataDram) | mask_of(Count::RfoDram)}}) {
    CAPTURE(row.id);
    CAPTURE(row.code);
    const CpuModel with = models::load_model(row.id, {}, true), without = models::load_model(row.id);
    CHECK((event(with, row.code, row.umask)->kinds == row.kinds));
    CHECK((event(without, row.code, row.umask)->kinds == 0));
    CHECK(event(without, row.code, row.umask)->needs_interval);
    CHECK_FALSE(event(without, 0xc0, 0)->needs_interval);
  }
}

TEST_CASE(
    "references of the last level are its hits and misses, and miss events are part of reference events") {
  for (const char* id : {"skx", "icx", "spr"}) {
    const CpuModel m = models::load_model(id, {}, true);
    const CountMask references = event(m, 0x2e, 0x4f)->kinds, misses = event(m, 0x2e, 0x41)->kinds;
    CHECK(((misses & ~references) == 0));
    CHECK(((references & ~misses) ==
           (mask_of(Count::DataL3Hit) | mask_of(Count::RfoL3Hit) | mask_of(Count::CodeL3Hit) |
            mask_of(Count::WalkL3Hit) | mask_of(Count::L1PrefetchL3Hit))));
  }
}

TEST_CASE("retired loads by place, less what was on its way, are all loads") {
  const CountMask all = mask_of(Count::LoadL1Hit, Count::LoadDram);
  for (const char* id : {"skx", "icx", "spr"}) {
    const CpuModel m = models::load_model(id, {}, true);
    CHECK(((event(m, 0xd1, 1)->kinds | event(m, 0xd1, 8)->kinds | event(m, 0xd1, 0x40)->kinds) == all));
    CHECK((event(m, 0xd1, 8)->kinds == (event(m, 0xd1, 2)->kinds | event(m, 0xd1, 0x10)->kinds)));
  }
}

TEST_CASE("cache sizes, windows and DRAM latency are those of the parts, in core cycles") {
  // InstLatX64, LLVM and uiCA, as each model says; DRAM: TMA constant beyond the L2 times the core clock,
  // plus the L2.
  const core::TimingConfig spr = models::load_model("spr").timing, skx = models::load_model("skx").timing;
  CHECK(spr.pipeline.rob == 512);
  CHECK(spr.pipeline.width == 6);
  CHECK(spr.memory.l2.kilobytes == 2048);
  CHECK(spr.memory.l1d.ways == 12);
  CHECK(spr.memory.dram_latency == 298);  // 109 ns x 2.6 GHz + 15
  CHECK(skx.memory.dram_latency == 182);  // 80 ns x 2.1 GHz + 14
  CHECK(skx.memory.l2.latency == 14);
  CHECK(models::load_model("zen4").timing.memory.dtlb.entries == 72);
}

TEST_CASE("signatures and vendor strings are those of the parts") {
  struct Row {
    const char* id;
    u32 signature, vendor;
  };
  for (const Row& row : {Row{"skx", 0x50654, 0x756e6547}, Row{"icx", 0x606a6, 0x756e6547},
                         Row{"spr", 0x806f8, 0x756e6547}, Row{"zen3", 0xa00f11, 0x68747541},
                         Row{"zen4", 0xa10f11, 0x68747541}, Row{"zen5", 0xb00f21, 0x68747541}}) {
    const CpuModel m = models::load_model(row.id);
    CHECK(m.cpuid.read(1, 0).eax == row.signature);
    CHECK(m.cpuid.read(0, 0).ebx == row.vendor);
  }
}

TEST_CASE(
    "every architectural event that CPUID reports available is counted, under its architectural encoding") {
  struct Row {
    int bit;
    u16 code;
    u8 umask;
  };
  for (const char* id : {"skx", "icx", "spr"}) {
    const CpuModel m = models::load_model(id);
    for (const Row& row : {Row{0, 0x3c, 0}, Row{1, 0xc0, 0}, Row{2, 0x3c, 1}, Row{3, 0x2e, 0x4f},
                           Row{4, 0x2e, 0x41}, Row{5, 0xc4, 0}, Row{6, 0xc5, 0}, Row{7, 0xa4, 1}}) {
      CAPTURE(id);
      CAPTURE(row.bit);
      const pmu::EventInfo* e = event(m, row.code, row.umask);
      if (!(m.caps.arch_events >> row.bit & 1)) continue;
      REQUIRE(e);
      CHECK(e->arch_bit == row.bit);
      CHECK(e->kinds != 0);
    }
  }
}

TEST_CASE("taken branches are conditional taken and all unconditional near ones") {
  const CountMask near = mask_of(Count::CondTaken) | mask_of(Count::DirectJump) |
                         mask_of(Count::IndirectJump) | mask_of(Count::DirectCall) |
                         mask_of(Count::IndirectCall) | mask_of(Count::Return);
  for (const char* id : {"skx", "icx", "spr"})
    CHECK(event(models::load_model(id), 0xc4, 0x20)->kinds == near);
  for (const char* id : {"zen3", "zen4", "zen5"})
    CHECK(event(models::load_model(id), 0xc4, 0)->kinds == (near | mask_of(Count::FarBranch)));
}

TEST_CASE("AMD counts cycles as 76H, instructions as C0H and branches as C2H") {
  for (const char* id : {"zen3", "zen4", "zen5"}) {
    const CpuModel m = models::load_model(id);
    CHECK(event(m, 0x76, 0)->kinds == mask_of(Count::Cycles));
    CHECK(event(m, 0xc0, 0)->kinds == mask_of(Count::Instructions));
    CHECK(event(m, 0xc2, 0)->kinds != 0);
    CHECK_FALSE(event(m, 0xc2, 0)->note.empty());
  }
}

TEST_CASE(
    "the exit control that saves GLOBAL_CTRL came with Sapphire Rapids, PMC virtualization with Zen 5") {
  for (const std::string& id : models::model_ids()) {
    const CpuModel m = models::load_model(id);
    CHECK(m.save_global_ctrl_on_exit == (id == "spr"));
    CHECK(m.pmc_virtualization == (id == "zen5"));
  }
}

TEST_CASE("clocks are exact ratios of the core clock") {
  const CpuModel spr = models::load_model("spr"), icx = models::load_model("icx");
  CHECK(spr.core_khz == 2600000);
  CHECK(spr.tsc_khz == 24000 * 216 / 2);  // crystal and ratio of leaf 15H
  CHECK(spr.core_khz * spr.tsc_per_cycle.num == spr.tsc_khz * spr.tsc_per_cycle.den);
  CHECK(icx.bus_per_cycle.num == 1);
  CHECK(icx.bus_per_cycle.den == 96);
}

TEST_CASE("a written MSR costs more than a counter read, by about the published difference") {
  CHECK(cost(models::load_model("spr"), "wrmsr") - cost(models::load_model("spr"), "rdpmc") == 90);
  CHECK(cost(models::load_model("zen5"), "wrmsr") - cost(models::load_model("zen5"), "rdpmc") == 150);
}

TEST_CASE("what the simulator lacks is not reported in PERF_CAPABILITIES, full-width writes are") {
  for (const char* id : {"skx", "icx", "spr"}) CHECK(models::load_model(id).perf_capabilities == bit(13));
}

TEST_CASE("store latency is scheduled on counter 0 and cycles on any by Linux's table") {
  const CpuModel m = models::load_model("spr");
  const auto counters = [&m](u16 code, int umask) -> u64 {
    for (const ScheduleConstraint& c : m.constraints)
      if (code >= c.first && code <= c.last && (c.umask < 0 || c.umask == umask)) return c.counters;
    return 0;
  };
  CHECK(counters(0xcd, 2) == 1);
  CHECK(counters(0x3c, 0) == 0xff);
  CHECK(counters(0x12, 0xe) == 0xf);
}
