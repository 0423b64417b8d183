// SPDX-License-Identifier: Apache-2.0
// The physical register accesses of one mediated round trip, and of a dedicated vCPU on a CPU without
// GLOBAL_CTL, against golden files written by hand from KVM's and perf's sequences (golden/*.txt).
#include <doctest/doctest.h>

#include <fstream>

#include "hypervisor/vpmu/backing_hardware.h"
#include "hypervisor/vpmu/kvm_rules.h"
#include "tests/support/paths.h"
#include "vpmu_fixture.h"

using namespace pmusim;
using namespace pmusim::hv;
using namespace pmusim::hv::test;

namespace {

std::vector<std::string> golden(const std::string& name) {
  std::ifstream in(pmusim::test::source("tests/hypervisor/golden/" + name + ".txt"));
  REQUIRE(in);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);)
    if (!line.empty() && line[0] != '#') lines.push_back(line);
  return lines;
}

void compare(const std::vector<std::string>& log, const std::string& file) {
  const std::vector<std::string> expected = golden(file);
  for (std::size_t i = 0; i < std::max(log.size(), expected.size()); ++i) {
    CAPTURE(i);
    CHECK((i < log.size() ? log[i] : "") == (i < expected.size() ? expected[i] : ""));
  }
}

void round_trip(const CpuModel& model, bool elide, const std::string& file) {
  CAPTURE(file);
  Guest g(model, "mediated");
  g.policy.elide_writes = elide;
  g.vpmu = std::make_unique<Vpmu>(g.policy, g.model, KernelRelease::V7_2, g.perf, g.hooks);
  g.vpmu->set_cpuid(kvm_supported_cpuid(g.model, KernelRelease::V7_2, true));
  const bool intel = model.vendor == pmu::Vendor::Intel;
  FakeFields fields(g.cpu, intel, model.save_global_ctrl_on_exit);

  // An entry with an idle PMU, so that the second one writes only what changed in the control block.
  g.requests();
  g.vpmu->load(g.cpu);
  g.vpmu->prepare_entry(g.cpu, fields);
  fields.at_exit = fields.guest;
  g.vpmu->after_exit(g.cpu, fields);
  g.vpmu->put(g.cpu);

  CHECK(g.write(intel ? msr::kPerfEvtSel0 : msr::kAmdPerfCtl0, kCountInstructions) == pmu::Outcome::Ok);
  CHECK(g.write(intel ? msr::kPerfCtr0 : msr::kAmdPerfCtr0, 0x10) == pmu::Outcome::Ok);
  CHECK(g.vpmu->set_msr(intel ? msr::kGlobalStatus : msr::kAmdGlobalStatus, 2, true) == pmu::Outcome::Ok);
  if (intel) {
    CHECK(g.write(msr::kFixedCtr0, 0x20) == pmu::Outcome::Ok);
    CHECK(g.write(msr::kFixedCtrCtrl, 3) == pmu::Outcome::Ok);
    CHECK(g.write(msr::kGlobalCtrl, 0x100000001) == pmu::Outcome::Ok);
    fields.at_exit = 0x100000001;
  } else {
    CHECK(g.write(msr::kAmdGlobalCtl, 1) == pmu::Outcome::Ok);
  }
  g.requests();
  g.cpu.log.clear();

  g.vpmu->load(g.cpu);
  g.vpmu->prepare_entry(g.cpu, fields);
  g.cpu.counter(0) = 0x1234;
  if (intel) g.cpu.counter(pmu::kFixedBase) = 0x55;
  g.cpu.status() = 3;
  g.vpmu->after_exit(g.cpu, fields);
  g.vpmu->put(g.cpu);

  compare(g.cpu.log, file);
  CHECK(g.read(intel ? msr::kPerfCtr0 : msr::kAmdPerfCtr0) == 0x1234);
  CHECK(g.read(intel ? msr::kGlobalStatus : msr::kAmdGlobalStatus) == 3);
}

}  // namespace

TEST_CASE("A mediated round trip accesses the registers that KVM's load and put name, in their order") {
  round_trip(spr(), true, "mediated-spr");
  round_trip(skx(), true, "mediated-skx");
  round_trip(zen4(), true, "mediated-zen4");
}

TEST_CASE("Without write elision a mediated round trip writes every counter, selector and control") {
  round_trip(spr(), false, "mediated-spr-no-elision");
  round_trip(skx(), false, "mediated-skx-no-elision");
  round_trip(zen4(), false, "mediated-zen4-no-elision");
}

TEST_CASE("A dedicated vCPU on a CPU without GLOBAL_CTL is stopped and started through its selectors") {
  Guest g(zen3(), "dedicated");
  FakeFields fields(g.cpu, false, false);
  g.vpmu->prepare_entry(g.cpu, fields);
  g.cpu.selector(0) = kCountInstructions;  // by the guest
  g.cpu.selector(2) = kCountAmdBranches & ~evtsel::kEn;
  g.vpmu->after_exit(g.cpu, fields);
  g.vpmu->prepare_entry(g.cpu, fields);
  g.cpu.counter(0) = 0x1234;
  g.vpmu->after_exit(g.cpu, fields);
  g.vpmu->sched_out(g.cpu);
  g.vpmu->sched_in(g.cpu);
  g.vpmu->prepare_entry(g.cpu, fields);
  compare(g.cpu.log, "dedicated-zen3");
}

// Linux 7.2, kvm_mediated_pmu_load and _put: idle guest PMU, all host counters already zero.
TEST_CASE(
    "An idle guest PMU costs GLOBAL_CTRL, the selectors and fixed control at load, and no write at put") {
  Guest g(spr(), "mediated");
  g.vpmu->load(g.cpu);
  unsigned writes = 0;
  for (const auto& line : g.cpu.log) writes += line.rfind("wrmsr", 0) == 0;
  CHECK(writes == 1 + 8 + 1);
  g.cpu.log.clear();
  g.vpmu->put(g.cpu);
  for (const auto& line : g.cpu.log) CHECK(line.rfind("wrmsr", 0) != 0);
}

TEST_CASE("On AMD an idle guest PMU costs StatusSet and GlobalCtl besides, and GlobalCtl alone at put") {
  Guest g(zen4(), "mediated");
  g.vpmu->load(g.cpu);
  unsigned writes = 0;
  for (const auto& line : g.cpu.log) writes += line.rfind("wrmsr", 0) == 0;
  CHECK(writes == 1 + 6 + 2);
  g.cpu.log.clear();
  g.vpmu->put(g.cpu);
  writes = 0;
  for (const auto& line : g.cpu.log) writes += line.rfind("wrmsr", 0) == 0;
  CHECK(writes == 1);
}
