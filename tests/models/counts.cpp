// SPDX-License-Identifier: Apache-2.0
// Numbers of counters: CPUID enumerates what was asked for (SDM Vol. 3, leaf 0AH; APM Vol. 3, appendix E),
// and a model's events follow.
#include "models/counts.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "models/models.h"
#include "tests/support/refusal.h"

using namespace pmusim;
using models::CountRequest;

namespace {

std::string error_of(const char* id, const std::vector<std::string>& set) {
  return pmusim::test::refusal_of([&] { models::load_model(id, set); });
}

bool has(const std::string& text, const std::string& part) {
  CAPTURE(text);
  CHECK(text.find(part) != std::string::npos);
  return text.find(part) != std::string::npos;
}

// What remains of a model's CPUID after the caps were written into it and read back.
pmu::Caps round_trip(const CpuModel& model, const pmu::Caps& caps) {
  CpuidTable table = model.cpuid;
  models::enumerate_counts(caps, table);
  return model.rules->caps_from(table, model.perf_capabilities);
}

void check_same(const pmu::Caps& a, const pmu::Caps& b) {
  CHECK(a.version == b.version);
  CHECK(a.gp_count == b.gp_count);
  CHECK(a.gp_width == b.gp_width);
  CHECK(a.fixed_mask == b.fixed_mask);
  if (a.fixed_mask) CHECK(a.fixed_width == b.fixed_width);
}

const pmu::EventInfo* find(const CpuModel& model, const std::string& name) {
  for (const pmu::EventInfo& event : model.events)
    if (event.name == name) return &event;
  return nullptr;
}

}  // namespace

TEST_CASE("what CPUID was made to enumerate is what the vendor's rules read from it") {
  for (const char* id : {"skx", "spr"})
    for (unsigned version = 1; version <= 5; ++version)
      for (const unsigned gp : {1u, 4u, 8u, 16u})
        for (unsigned fixed = 0; fixed <= (version < 2 ? 0u : 4u); ++fixed) {
          const CpuModel model = models::load_model(id);
          const pmu::Caps wanted = models::with_counts(model.caps, {version, gp, fixed, 40u});
          REQUIRE(models::impossible_counts(wanted).empty());
          check_same(round_trip(model, wanted), wanted);
        }
  for (const char* id : {"zen3", "zen4"})
    for (const unsigned gp : {4u, 5u, 6u})
      for (const unsigned version : {1u, 2u}) {
        const CpuModel model = models::load_model(id);
        const pmu::Caps wanted = models::with_counts(model.caps, {version, gp, {}, {}});
        if (!models::impossible_counts(wanted).empty()) continue;
        check_same(round_trip(model, wanted), wanted);
      }
}

TEST_CASE("version 0 enumerates no PMU at all") {
  const CpuModel model = models::load_model("spr");
  const pmu::Caps none = round_trip(model, models::with_counts(model.caps, {0u, {}, {}, {}}));
  CHECK(none.version == 0);
  CHECK(none.counter_bits() == 0);
}

TEST_CASE("a machine has as many general counters as --set says, from one to the architecture's most") {
  for (const unsigned count : {1u, 7u, 8u, 9u, 16u}) {
    const CpuModel model = models::load_model("spr", {"pmu.gp.count=" + std::to_string(count)});
    CAPTURE(count);
    CHECK(model.caps.gp_count == count);
    CHECK((model.cpuid.read(0xa, 0).eax >> 8 & 0xff) == count);
    CHECK(model.caps.fixed_mask == 0xf);
    // An event of all counters is one of all; one of the first four keeps what is left of them.
    CHECK(find(model, "INST_RETIRED.ANY_P")->counters == (1u << count) - 1);
    CHECK(find(model, "L1D.REPLACEMENT")->counters == (0xfu & ((1u << count) - 1)));
  }
  has(error_of("spr", {"pmu.gp.count=0"}), "--set model.pmu.gp.count");
  has(error_of("spr", {"pmu.gp.count=17"}), "--set model.pmu.gp.count");
}

TEST_CASE("an event whose counters are all gone is gone") {
  CHECK(find(models::load_model("spr"), "MEM_TRANS_RETIRED.LOAD_LATENCY_GT_4"));  // counters 1 to 7
  CHECK_FALSE(find(models::load_model("spr", {"pmu.gp.count=1"}), "MEM_TRANS_RETIRED.LOAD_LATENCY_GT_4"));
}

TEST_CASE("fixed counters and the version of a machine change with what enumerates them") {
  const CpuModel three = models::load_model("spr", {"pmu.fixed.mask=0x7"});
  CHECK(three.caps.fixed_mask == 0x7);
  CHECK((three.cpuid.read(0xa, 0).edx & 0x1f) == 3);
  CHECK(three.cpuid.read(0xa, 0).ecx == 0x7);
  CHECK_FALSE(find(three, "TOPDOWN.SLOTS"));
  CHECK(models::load_model("spr", {"pmu.fixed.mask=0x5"}).caps.fixed_mask == 0x5);  // version 5: a mask
  has(error_of("spr", {"pmu.fixed.mask=0x5", "pmu.version=4"}), "without a gap, or version 5");
  has(error_of("spr", {"pmu.fixed.mask=0x1f"}), "mask 0xf, whose events the model names");
  CHECK(models::load_model("spr", {"pmu.version=2"}).cpuid.read(0xa, 0).ecx == 0);
  const CpuModel first = models::load_model("spr", {"pmu.version=1"});
  CHECK(first.caps.version == 1);
  CHECK(first.caps.fixed_mask == 0);
  has(error_of("spr", {"pmu.version=6"}), "--set model.pmu.version");
}

// APM Vol. 2, 13.2: four legacy counters on every CPU; six with PerfCtrExtCore; PerfMonV2 says how many.
TEST_CASE("an AMD machine has four to six counters, without PerfMonV2 four or six") {
  for (const unsigned count : {4u, 5u, 6u})
    CHECK(models::load_model("zen4", {"pmu.gp.count=" + std::to_string(count)}).caps.gp_count == count);
  for (const char* count : {"3", "7"})
    has(error_of("zen4", {std::string("pmu.gp.count=") + count}), "4 to 6 general counters");
  CHECK(models::load_model("zen3", {"pmu.gp.count=4"}).caps.gp_count == 4);
  has(error_of("zen3", {"pmu.gp.count=5"}), "4 or 6 general counters in version 1");
  CHECK(models::load_model("zen3", {"pmu.gp.count=5", "pmu.version=2"}).caps.gp_count == 5);
  CHECK(models::load_model("zen4", {"pmu.version=1"}).caps.version == 1);
  has(error_of("zen4", {"pmu.version=3"}), "AMD has no others");
  has(error_of("zen4", {"pmu.gp.width=40"}), "48 bits");
}

TEST_CASE("the leaf of the counters is not changed beside them, and alone it is refused with their name") {
  has(error_of("spr", {"pmu.gp.count=4", "cpuid.0xa.eax=0x08300405"}), "the leaf follows it");
  has(error_of("spr", {"cpuid.0xa.eax=0x08300405"}), "--set model.pmu changes both");
}
