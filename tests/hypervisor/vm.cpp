// SPDX-License-Identifier: Apache-2.0
// Whole VMs on the simulated KVM from start to end: text, status, exits, the run loop's order, limits.
#include <doctest/doctest.h>

#include <algorithm>

#include "arch/msr.h"
#include "tests/support/selectors.h"
#include "vm_fixture.h"

using namespace pmusim;
using namespace pmusim::hv;
using namespace pmusim::hv::test;
using namespace pmusim::test;

TEST_CASE(
    "a guest prints through the serial port and ends with the exit port's status on every vendor and "
    "policy") {
  for (const char* model : {"spr", "skx", "zen4"})
    for (const char* policy : {"emulated", "mediated", "dedicated"}) {
      CAPTURE(model);
      CAPTURE(policy);
      Assembler code(kGuestCode);
      code.print('o').print('k').exit(3);
      VmSetup setup;
      setup.model = model;
      setup.policy = policy;
      const VmRun r = run_vm(code, setup);
      CHECK(r.result.end == VmmEnd::Exit);
      CHECK(r.result.status == 7);
      CHECK(r.result.serial == "ok");
    }
}

TEST_CASE("each CPUID exits exactly once") {
  for (const char* model : {"spr", "zen4"}) {
    Assembler code(kGuestCode);
    for (int i = 0; i < 5; ++i) code.cpuid(0);
    code.exit(0);
    VmSetup setup;
    setup.model = model;
    const VmRun r = run_vm(code, setup);
    CHECK(r.exits(model[0] == 's' ? "CPUID" : "cpuid") == 5);
    CHECK(r.count(EventKind::Cpuid) == 5);
    CHECK(r.count(EventKind::Entry) == r.count(EventKind::Exit));
  }
}

TEST_CASE("the mediated PMU is put after the VM-exit and before the exit is handled") {
  Assembler code(kGuestCode);
  code.cpuid(0).exit(0);
  VmSetup setup;
  setup.policy = "mediated";
  const VmRun r = run_vm(code, setup);
  const auto cpuid = std::find_if(r.events.begin(), r.events.end(),
                                  [](const Event& e) { return e.kind == EventKind::Cpuid; });
  REQUIRE(cpuid != r.events.end());
  auto at = cpuid;
  unsigned rdpmc = 0;
  bool status = false;
  while (at != r.events.begin() && at->kind != EventKind::Exit) {
    --at;
    if (at->kind == EventKind::HostMsr && at->text == "rdpmc") ++rdpmc;
    if (at->kind == EventKind::HostMsr && at->text == "rdmsr" && at->a == msr::kGlobalStatus) status = true;
  }
  CHECK(rdpmc == 11);  // 8 GP and KVM's cap of 3 fixed counters
  CHECK(status);
  const auto entry =
      std::find_if(cpuid, r.events.end(), [](const Event& e) { return e.kind == EventKind::Entry; });
  CHECK(std::any_of(cpuid, entry, [](const Event& e) {
    return e.kind == EventKind::HostMsr && e.a == msr::kGlobalCtrl && e.b == 0;
  }));
}

TEST_CASE("a guest's retired instructions are counted exactly, an emulated CPUID among them") {
  // Event C0h. GLOBAL_CTRL has all GP counters enabled at reset, so the selector's WRMSR is the enabling one.
  for (const char* policy : {"emulated", "mediated"}) {
    CAPTURE(policy);
    Assembler code(kGuestCode);
    code.wrmsr(msr::kPerfEvtSel0, kCountInstructions)
        .wrmsr(msr::kGlobalCtrl, 1)
        .loops(1000)
        .cpuid(0)
        .loops(1000)
        .wrmsr(msr::kGlobalCtrl, 0);
    code.rdmsr(msr::kPerfCtr0).exit_with_eax();
    VmSetup setup;
    setup.policy = policy;
    const VmRun r = run_vm(code, setup);
    REQUIRE(r.result.end == VmmEnd::Exit);
    // The enabling WRMSR; three MOVs and WRMSR; MOV, 1000 LOOPs, MOV, CPUID, MOV, 1000 LOOPs; three MOVs
    // before the disabling WRMSR, which does not count.
    CHECK((r.result.status - 1) / 2 == 1 + 4 + 1001 + 2 + 1001 + 3);
  }
}

TEST_CASE("the doorbell's answer comes back to the guest") {
  Assembler code(kGuestCode);
  code.out32(platform::kDoorbellPort, 5).in32(platform::kDoorbellPort).exit_with_eax();
  VmSetup setup;
  setup.doorbell = [](u32 step) { return step * 10; };
  CHECK(run_vm(code, setup).result.status == 2 * 50 + 1);
  CHECK(run_vm(code).result.status == static_cast<u32>(2 * 0xffffffffu + 1));
}

TEST_CASE("a guest that halts with interrupts disabled is a stall, one that spins meets the cycle limit") {
  Assembler halting(kGuestCode);
  halting.halt();
  CHECK(run_vm(halting).result.end == VmmEnd::Stall);
  Assembler spinning(kGuestCode);
  spinning.spin();
  VmSetup setup;
  setup.cycles = 100000;
  const VmmResult limited = run_vm(spinning, setup).result;
  CHECK(limited.end == VmmEnd::CycleLimit);
  CHECK(limited.detail == "cycle 100000 reached without an exit");
}

TEST_CASE("the same VM twice gives the same events to the cycle") {
  Assembler code(kGuestCode);
  code.wrmsr(msr::kPerfEvtSel0, kCountInstructions).loops(1000).cpuid(0).exit(0);
  VmSetup setup;
  setup.policy = "mediated";
  check_same(run_vm(code, setup), run_vm(code, setup));
}

TEST_CASE("a vCPU that a limit stops in the guest or halted has all its time in its statistics") {
  for (const bool halts : {false, true}) {
    CAPTURE(halts);
    Assembler code(kGuestCode);
    if (halts)
      code.cli().hlt();
    else
      code.spin();
    VmSetup setup;
    setup.cycles = 3'000'000;
    const VmRun r = run_vm(code, setup);
    CHECK(r.result.end != VmmEnd::Exit);
    const u64 guest = r.statistics.guest_cycles, host = r.statistics.host_cycles;
    if (halts) {
      CHECK(guest < 20'000);
      CHECK(host > 0);
    } else {
      CHECK(guest > 2'500'000);
      CHECK(guest + host > 2'900'000);
      CHECK(guest + host < 3'100'000);
    }
  }
}
