// SPDX-License-Identifier: Apache-2.0
// Layers of rules: the order of questions, and replacing a single answer.
#include "harness.h"

#include "models/intel/intel.h"

using namespace pmusim;
using namespace pmusim::test;
using pmu::Outcome;
using pmu::Reg;

TEST_CASE("every register of a vendor is found at its own address and at no other") {
  for (const pmu::Vendor vendor : {pmu::Vendor::Intel, pmu::Vendor::Amd})
    for (const pmu::RegDescription& d : pmu::register_descriptions(vendor))
      for (unsigned i = 0; i < d.count; ++i) {
        const auto ref = pmu::find_register(vendor, pmu::address_of(vendor, d.reg, i));
        REQUIRE(ref);
        CHECK(ref->reg == d.reg);
        CHECK(ref->index == i);
      }
  CHECK(pmu::name_of(pmu::Vendor::Intel, {Reg::GpSelector, 2}) == "IA32_PERFEVTSEL2");
  CHECK(pmu::name_of(pmu::Vendor::Amd, {Reg::GpCounter, 5}) == "PERF_CTR5");
}

TEST_CASE("a layer can replace one answer of the layer below") {
  const CpuModel m = model("spr");
  pmu::RuleLayer layer = models::intel_hardware_layer();
  pmu::Registers regs;
  CHECK(layer.write(msr::kGlobalStatus, m.caps, regs, true, 1) == Outcome::Fault);
  layer[Reg::GlobalStatus].check = [](const pmu::Access& a, const pmu::Registers&, u64&) {
    return a.host_initiated ? Outcome::Ok : Outcome::Fault;
  };
  layer[Reg::GlobalStatus].change = [](const pmu::Access&, pmu::Registers& r, u64 v) { r.global_status = v; };
  CHECK(layer.write(msr::kGlobalStatus, m.caps, regs, false, 1) == Outcome::Fault);
  CHECK(layer.write(msr::kGlobalStatus, m.caps, regs, true, 1) == Outcome::Ok);
  CHECK(regs.global_status == 1);
}

TEST_CASE("where a rule says nothing of reading or changing, the register does what its row says") {
  const CpuModel m = model("spr");
  pmu::RuleLayer layer;
  for (const pmu::RegDescription& d : pmu::register_descriptions(m.vendor))
    layer[d.reg].exists = [](const pmu::Access&) { return true; };
  pmu::Registers regs;
  u64 value = 1;
  CHECK(layer.write(msr::kPerfEvtSel0 + 3, m.caps, regs, false, 0xc0) == Outcome::Ok);  // stored
  CHECK(regs.selector[3] == 0xc0);
  CHECK(layer.read(msr::kPerfEvtSel0 + 3, m.caps, regs, false, value) == Outcome::Ok);
  CHECK(value == 0xc0);
  CHECK(layer.write(msr::kAPmc0 + 1, m.caps, regs, false, 5) == Outcome::Ok);  // an alias
  CHECK(layer.read(msr::kPerfCtr0 + 1, m.caps, regs, false, value) == Outcome::Ok);
  CHECK(value == 5);
  CHECK(layer.write(msr::kGlobalStatusSet, m.caps, regs, false, 6) == Outcome::Ok);
  CHECK(layer.write(msr::kGlobalStatusReset, m.caps, regs, false, 2) == Outcome::Ok);
  CHECK(regs.global_status == 4);
  for (u32 write_only : {msr::kGlobalStatusSet, msr::kGlobalStatusReset}) {
    CHECK(layer.read(write_only, m.caps, regs, false, value) == Outcome::Ok);
    CHECK(value == 0);
  }
  const pmu::Registers before = regs;
  CHECK(layer.write(msr::kGlobalInuse, m.caps, regs, false, 1) == Outcome::Ok);  // computed
  CHECK(regs == before);
}

TEST_CASE("a register that does not exist faults unless the layer says otherwise, and reads zero then") {
  const CpuModel m = model("spr");
  pmu::RuleLayer layer = models::intel_hardware_layer();
  pmu::Registers regs;
  u64 value = 1;
  CHECK(layer.read(msr::kK7EvntSel0, m.caps, regs, false, value) == Outcome::Fault);
  layer.absent = [](u32, const pmu::Caps&, bool) { return Outcome::Ignored; };
  value = 1;
  CHECK(layer.read(msr::kK7EvntSel0, m.caps, regs, false, value) == Outcome::Ignored);
  CHECK(value == 0);
}

TEST_CASE("a write tells whether a register's value is different afterwards") {
  const CpuModel m = model("spr");
  const pmu::RuleLayer layer = models::intel_hardware_layer();
  pmu::Registers regs;
  bool changed = false;
  CHECK(layer.write(msr::kPerfEvtSel0, m.caps, regs, false, 0xc0, &changed) == Outcome::Ok);
  CHECK(changed);
  CHECK(layer.write(msr::kPerfEvtSel0, m.caps, regs, false, 0xc0, &changed) == Outcome::Ok);
  CHECK_FALSE(changed);
  CHECK(layer.write(msr::kPerfEvtSel0, m.caps, regs, false, bit(63), &changed) == Outcome::Fault);
  CHECK_FALSE(changed);
}

TEST_CASE("every rule of the hardware layers names its source") {
  for (const char* id : {"spr", "zen4"}) {
    const CpuModel m = model(id);
    for (const pmu::RegDescription& d : pmu::register_descriptions(m.vendor)) {
      CAPTURE(d.name);
      CHECK_FALSE(m.rules->hardware()[d.reg].source.empty());
    }
  }
}
