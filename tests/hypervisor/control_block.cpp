// SPDX-License-Identifier: Apache-2.0
// VMCS and VMCB against the manuals: MSR bitmaps (SDM Vol. 3, "MSR-Bitmap Address"; APM Vol. 2, "MSR
// Intercepts"), consistency checks, exit numbers, event injection encodings.
#include <doctest/doctest.h>

#include "hypervisor/hw/vmcb.h"
#include "hypervisor/hw/vmcs.h"
#include "hypervisor/kvm/memory_map.h"
#include "vpmu_fixture.h"

using namespace pmusim;
using namespace pmusim::hv;
using core::ExitKind;

namespace {

constexpr u64 kReserved = ~u64{0x70000000f};  // 4 GP and 3 fixed counters

struct Blocks {
  core::CpuState state;
  MemoryMap memory;
  Vmcs vmcs{state, memory, 1, kReserved, true, true};
  Vmcb vmcb{state, memory, 1};
  CpuModel model;
  hv::test::FakeCpu cpu{model};
  Blocks() { core::reset(state); }
};

core::VmExit exit_of(ExitKind kind, u64 qualification = 0) {
  core::VmExit exit;
  exit.kind = kind;
  exit.qualification = qualification;
  return exit;
}

}  // namespace

TEST_CASE("the VMX MSR bitmap has reads of low and high MSRs at 0 and 400h, writes at 800h and C00h") {
  struct {
    u32 msr;
    bool write;
    unsigned byte, bit;
  } const places[] = {{0, false, 0, 0},
                      {0x1fff, false, 0x3ff, 7},
                      {0xc0000000, false, 0x400, 0},
                      {0xc0001fff, false, 0x7ff, 7},
                      {0xc1, true, 0x818, 1},
                      {0xc0000080, true, 0xc10, 0}};
  for (const auto& p : places) {
    VmxMsrBitmap map;
    CHECK(map.intercepted(p.msr, p.write));
    map.set(p.msr, p.write, false);
    CHECK_FALSE(map.intercepted(p.msr, p.write));
    CHECK(map.intercepted(p.msr, !p.write));
    CHECK(map.bytes()[p.byte] == (0xff & ~(1u << p.bit)));
  }
}

TEST_CASE("MSRs beyond the VMX bitmap's ranges always exit and cannot be passed through") {
  VmxMsrBitmap map;
  for (const u32 msr : {0x2000u, 0xbfffffffu, 0xc0002000u, 0xc0010000u}) {
    CHECK(map.intercepted(msr, false));
    CHECK_THROWS_AS(map.set(msr, false, false), std::logic_error);
  }
}

TEST_CASE("the SVM MSR map has two bits per MSR, read first, in three ranges of 800h bytes") {
  struct {
    u32 msr;
    bool write;
    unsigned byte, bit;
  } const places[] = {{0, false, 0, 0},
                      {0, true, 0, 1},
                      {0x1fff, true, 0x7ff, 7},
                      {0xc0000000, false, 0x800, 0},
                      {0xc0000301, true, 0x8c0, 3},
                      {0xc0010000, false, 0x1000, 0},
                      {0xc0010201, false, 0x1080, 2},
                      {0xc0011fff, true, 0x17ff, 7}};
  for (const auto& p : places) {
    SvmMsrMap map;
    map.set(p.msr, p.write, false);
    CHECK_FALSE(map.intercepted(p.msr, p.write));
    CHECK(map.intercepted(p.msr, !p.write));
    CHECK(map.bytes()[p.byte] == (0xff & ~(1u << p.bit)));
  }
  SvmMsrMap map;
  for (const u32 msr : {0x2000u, 0xc0002000u, 0xc000ffffu, 0xc0012000u}) CHECK(map.intercepted(msr, true));
}

TEST_CASE_FIXTURE(Blocks, "a reserved bit in the guest's GLOBAL_CTRL field fails the entry with reason 33") {
  vmcs.use_global_ctrl(true, true);
  vmcs.set_guest_global_ctrl(0x70000000f);
  CHECK(vmcs.load(cpu).empty());
  vmcs.set_guest_global_ctrl(0x10);
  CHECK_FALSE(vmcs.load(cpu).empty());
  CHECK(vmcs.entry_failure_reason() == (33 | 1u << 31));
}

TEST_CASE_FIXTURE(Blocks, "a reserved bit in the host's GLOBAL_CTRL field is VM-instruction error 8") {
  vmcs.use_global_ctrl(true, true);
  vmcs.set_host_global_ctrl(u64{1} << 35);
  CHECK_FALSE(vmcs.load(cpu).empty());
  CHECK(vmcs.entry_failure_reason() == 8);
}

TEST_CASE_FIXTURE(Blocks, "reserved bits do not matter while the load controls are off") {
  vmcs.guest_perf_global_ctrl = vmcs.host_perf_global_ctrl = kReserved;
  CHECK(vmcs.load(cpu).empty());
}

TEST_CASE_FIXTURE(Blocks, "an x2APIC MSR in the VM-entry load list fails the entry with reason 34") {
  vmcs.entry_load.push_back({0x800, 0});
  CHECK_FALSE(vmcs.load(cpu).empty());
  CHECK(vmcs.entry_failure_reason() == (34 | 1u << 31));
}

TEST_CASE_FIXTURE(Blocks, "guest CR0.PG without PE is invalid guest state on both vendors") {
  cpu.msrs[0xc0000080] = core::kEferSvme;
  CHECK(vmcs.load(cpu).empty());
  CHECK(vmcb.load(cpu).empty());
  state.cr0 |= core::kCr0Pg;
  CHECK_FALSE(vmcs.load(cpu).empty());
  CHECK_FALSE(vmcb.load(cpu).empty());
  CHECK(vmcb.entry_failure_reason() == svm::kExitInvalid);
}

TEST_CASE_FIXTURE(Blocks, "guest RFLAGS.VM is invalid guest state without CR0.PE and in long mode only") {
  state.rflags |= core::kVM;
  state.cr0 = core::kCr0Et;
  CHECK_FALSE(vmcs.load(cpu).empty());
  state.cr0 |= core::kCr0Pe;
  CHECK(vmcs.load(cpu).empty());
  state.cr0 |= core::kCr0Pg;
  CHECK(vmcs.load(cpu).empty());
  state.cr4 |= core::kCr4Pae;
  state.efer |= core::kEferLme | core::kEferLma;
  CHECK_FALSE(vmcs.load(cpu).empty());
  state.rflags &= ~core::kVM;
  CHECK(vmcs.load(cpu).empty());
}

TEST_CASE_FIXTURE(Blocks, "VMRUN needs EFER.SVME") {
  cpu.msrs[0xc0000080] = 0;
  CHECK_FALSE(vmcb.load(cpu).empty());
  cpu.msrs[0xc0000080] = core::kEferSvme;
  CHECK(vmcb.load(cpu).empty());
}

TEST_CASE_FIXTURE(Blocks, "VM-exit saves the guest's GLOBAL_CTRL before it loads the host's") {
  vmcs.use_global_ctrl(true, true);
  vmcs.set_host_global_ctrl(0);
  cpu.msrs[0x38f] = 5;
  vmcs.store(cpu, exit_of(ExitKind::Cpuid));
  CHECK(vmcs.guest_perf_global_ctrl == 5);
  CHECK(cpu.msrs[0x38f] == 0);
}

TEST_CASE(
    "without exit control 30 the MSR-store list saves GLOBAL_CTRL, and reading it back renews the guest "
    "field") {
  core::CpuState state;
  core::reset(state);
  MemoryMap memory;
  CpuModel model;
  hv::test::FakeCpu cpu(model);
  Vmcs vmcs(state, memory, 1, kReserved, true, false);
  vmcs.use_global_ctrl(true, true);
  CHECK((vmcs.exit_controls & vmx::kExitSaveGlobalCtrl) == 0);
  REQUIRE(vmcs.exit_store.size() == 1);
  CHECK(vmcs.exit_store[0].msr == 0x38f);
  cpu.msrs[0x38f] = 3;
  vmcs.store(cpu, exit_of(ExitKind::Cpuid));
  CHECK(vmcs.guest_perf_global_ctrl == 0);
  CHECK(vmcs.guest_global_ctrl() == 3);
  CHECK(vmcs.guest_perf_global_ctrl == 3);
}

TEST_CASE_FIXTURE(Blocks, "exit numbers are the manuals'") {
  const struct {
    ExitKind kind;
    u64 qualification, vmx, svm;
  } numbers[] = {{ExitKind::ExternalInterrupt, 0, 1, 0x60},
                 {ExitKind::Nmi, 0, 0, 0x61},
                 {ExitKind::Exception, kUD, 0, 0x46},
                 {ExitKind::InterruptWindow, 0, 7, 0x64},
                 {ExitKind::TaskSwitch, 0x28, 9, 0x7d},
                 {ExitKind::DrAccess, 7, 29, 0x27},
                 {ExitKind::Cpuid, 0, 10, 0x72},
                 {ExitKind::Hlt, 0, 12, 0x78},
                 {ExitKind::Rdpmc, 0, 15, 0x6f},
                 {ExitKind::Vmcall, 0, 18, 0x81},
                 {ExitKind::Io, 0x3f8 | 1 << 16, 30, 0x7b},
                 {ExitKind::Rdmsr, 0, 31, 0x7c},
                 {ExitKind::Wrmsr, 0, 32, 0x7c},
                 {ExitKind::SecondStageFault, 0, 48, 0x400},
                 {ExitKind::TripleFault, 0, 2, 0x7f},
                 {ExitKind::CrAccess, 8 | 1 << 8, 28, 0x18}};
  for (const auto& n : numbers) {
    CHECK(vmcs.exit_id(exit_of(n.kind, n.qualification)).reason == n.vmx);
    CHECK(vmcb.exit_id(exit_of(n.kind, n.qualification)).reason == n.svm);
  }
}

TEST_CASE_FIXTURE(Blocks, "exit information tells read from write, and port, size and direction") {
  CHECK(vmcb.exit_id(exit_of(ExitKind::Wrmsr)).qualification == 1);
  CHECK(vmcb.exit_id(exit_of(ExitKind::Rdmsr)).qualification == 0);
  const core::VmExit in_word = exit_of(ExitKind::Io, 0x1f0 | 2 << 16 | 1 << 24);
  CHECK(vmcs.exit_id(in_word).qualification == (1 | 1 << 3 | 0x1f0 << 16));
  CHECK(vmcb.exit_id(in_word).qualification == (1 | 2 << 4 | 0x1f0 << 16));
}

// SDM Vol. 3, "VM-Entry Controls for Event Injection".
TEST_CASE_FIXTURE(Blocks,
                  "the VM-entry instruction length belongs to software interrupts and exceptions only") {
  PendingEvent software;
  software.valid = true;
  software.vector = 0x80;
  software.type = EventType::SoftwareInterrupt;
  software.instruction_length = 2;
  vmcs.inject(software);
  CHECK(vmcs.take_injection().instruction_length == 2);
  PendingEvent external = software;
  external.type = EventType::ExternalInterrupt;
  vmcs.inject(external);
  CHECK(vmcs.take_injection().instruction_length == 0);
}

TEST_CASE_FIXTURE(Blocks, "an injected event is delivered once: the exit clears the valid bit") {
  PendingEvent gp{true, kGP, EventType::HardwareException, true, 0x18, 0};
  for (GuestControl* control : {static_cast<GuestControl*>(&vmcs), static_cast<GuestControl*>(&vmcb)}) {
    control->inject(gp);
    const PendingEvent taken = control->take_injection();
    CHECK(taken.valid);
    CHECK(taken.vector == kGP);
    CHECK(taken.error_code == 0x18);
    control->store(cpu, exit_of(ExitKind::Cpuid));
    CHECK_FALSE(control->injecting());
    CHECK_FALSE(control->take_injection().valid);
  }
}

TEST_CASE_FIXTURE(Blocks, "CPUID exits on Intel whatever the controls say, RDPMC only with its control") {
  CHECK(vmcs.instruction(ExitKind::Cpuid));
  CHECK(vmcs.instruction(ExitKind::Rdpmc));
  vmcs.set_instruction_intercept(ExitKind::Rdpmc, false);
  CHECK_FALSE(vmcs.instruction(ExitKind::Rdpmc));
  vmcb.set_instruction_intercept(ExitKind::Rdpmc, false);
  CHECK_FALSE(vmcb.instruction(ExitKind::Rdpmc));
}

TEST_CASE_FIXTURE(Blocks, "equal guest and host values need no atomic switch") {
  vmcs.atomic_switch(0x38f, 3, 1);
  CHECK((vmcs.entry_controls & vmx::kEntryLoadGlobalCtrl) != 0);
  CHECK((vmcs.exit_controls & vmx::kExitLoadGlobalCtrl) != 0);
  vmcs.atomic_switch(0x38f, 3, 3);
  CHECK((vmcs.entry_controls & vmx::kEntryLoadGlobalCtrl) == 0);
  vmcs.atomic_switch(0x3f1, 1, 0);
  CHECK(vmcs.entry_load.size() == 1);
  CHECK(vmcs.exit_load.size() == 1);
  vmcs.clear_atomic_switch(0x3f1);
  CHECK(vmcs.entry_load.empty());
}

TEST_CASE_FIXTURE(Blocks, "a VMCB has no GLOBAL_CTL field") {
  CHECK_FALSE(vmcb.can_load_global_ctrl());
  CHECK_THROWS_AS(vmcb.set_guest_global_ctrl(1), std::logic_error);
}
