// SPDX-License-Identifier: Apache-2.0
// What KVM emulates for a guest: MSRs and control registers outside the PMU, instructions, memory.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>

#include "arch/msr.h"
#include "vm_fixture.h"

using namespace pmusim;
using namespace pmusim::hv;
using namespace pmusim::hv::test;
using namespace pmusim::test;

TEST_CASE(
    "a guest's indirect branch prediction barrier reaches the CPU, once, and an empty command does not") {
  for (const char* model : {"spr", "zen4"})
    for (const u64 command : {u64{0}, u64{1}}) {
      Assembler code(kGuestCode);
      code.wrmsr(msr::kPredCmd, command).exit(0);
      VmSetup setup;
      setup.model = model;
      const VmRun r = run_vm(code, setup);
      CHECK(r.result.end == VmmEnd::Exit);
      const auto barriers = std::count_if(r.events.begin(), r.events.end(), [](const Event& e) {
        return e.kind == EventKind::HostMsr && e.write && e.a == msr::kPredCmd && e.b == 1 && !e.fault;
      });
      CHECK(barriers == static_cast<s64>(command));
    }
}

TEST_CASE(
    "RDMSR of a register that the vCPU does not have ends in the guest's #GP, without handler in a triple "
    "fault") {
  Assembler code(kGuestCode);
  code.rdmsr(0x12345).exit(0);
  const VmRun r = run_vm(code);
  CHECK(r.result.end == VmmEnd::Shutdown);
  CHECK(std::any_of(r.events.begin(), r.events.end(), [](const Event& e) {
    return e.kind == EventKind::Msr && e.a == 0x12345 && e.fault && !e.write;
  }));
}

TEST_CASE("a write to memory that no slot holds is emulated and goes to user space") {
  Assembler code(kGuestCode);
  code.store(0xd0000000, 1).exit(1);
  const VmRun r = run_vm(code);
  CHECK(r.result.status == 3);
  CHECK(r.exits("EPT_VIOLATION") == 1);
}

TEST_CASE("UD2 with KVM's prefix is emulated where the host offers it, else #UD") {
  Assembler code(kGuestCode);
  code.mov(eax, 0).raw({0x0f, 0x0b, 'k', 'v', 'm'}).cpuid().exit(1);
  VmSetup setup;
  setup.forced_emulation = true;
  CHECK(run_vm(code, setup).result.status == 3);
  CHECK(run_vm(code).result.end == VmmEnd::Shutdown);
}

// arch/x86/kvm/x86.c, kvm_emulate_monitor_mwait, with its quirks as they are by default; CPUID as
// KVM_GET_SUPPORTED_CPUID gives it.
TEST_CASE("a VM is not told of MONITOR and MWAIT, both exit and do nothing") {
  for (const char* model : {"spr", "zen4"}) {
    Assembler code(kGuestCode);
    code.cpuid(1).mov(esi, ecx).and_(esi, 8);
    code.mov(eax, kGuestCode).xor_(ecx, ecx).xor_(edx, edx).monitor().mwait();
    code.mov(eax, esi).add(eax, 5).exit_with_eax();
    VmSetup setup;
    setup.model = model;
    const VmRun r = run_vm(code, setup);
    INFO(model);
    CHECK(r.result.status == 11);
    const bool intel = setup.model == "spr";
    CHECK(r.exits(intel ? "MONITOR_INSTRUCTION" : "monitor") == 1);
    CHECK(r.exits(intel ? "MWAIT_INSTRUCTION" : "mwait") == 1);
  }
}

// SDM Vol. 3, "Treatment of Task Switches"; arch/x86/kvm, handle_task_switch and emulator_task_switch.
TEST_CASE("a task switch in a VM exits and is completed by the hypervisor") {
  for (const char* model : {"spr", "zen4"}) {
    constexpr u32 kGdt = kGuestCode + 5, kFirst = kGdt + 40, kSecond = kFirst + 0x68,
                  kRegister = kSecond + 0x68, kStart = kRegister + 6, kEntry = kStart + 21;
    std::vector<u8> data(kStart - kGdt);
    const auto put = [&data](u32 at, u64 value, unsigned size) {
      std::memcpy(&data[at - kGdt], &value, size);
    };
    const auto tss = [](u32 base) {
      return 0x67 | u64{base} << 16 | u64{0x89} << 40 | u64{base >> 24} << 56;
    };
    put(kGdt + 8, 0x00cf9a000000ffff, 8);
    put(kGdt + 16, 0x00cf92000000ffff, 8);
    put(kGdt + 24, tss(kFirst), 8);
    put(kGdt + 32, tss(kSecond), 8);
    put(kSecond + 0x20, kEntry, 4);
    put(kSecond + 0x24, 2, 4);
    put(kSecond + 0x28, 7, 4);  // EAX
    for (u32 at = kSecond + 0x48; at < kSecond + 0x60; at += 4) put(at, 0x10, 4);
    put(kSecond + 0x4c, 8, 4);
    put(kRegister, 39 | u64{kGdt} << 16, 6);
    Assembler code(kGuestCode);
    code.jmp(kStart).raw(data).lgdt(kRegister).mov(ax, 0x18).ltr(ax).jmp_far(0x20, 0);
    REQUIRE(code.here() == kEntry);
    code.exit_with_eax();
    VmSetup setup;
    setup.model = model;
    const VmRun r = run_vm(code, setup);
    INFO(model);
    CHECK(r.result.status == 15);
    CHECK(r.exits(setup.model == "spr" ? "TASK_SWITCH" : "task_switch") == 1);
  }
}

// arch/x86/kvm/x86.c: set_msr_mce stores IA32_MCG_STATUS.
TEST_CASE("IA32_MCG_STATUS of a VM keeps what is written") {
  Assembler code(kGuestCode);
  code.wrmsr(0x17a, 5).rdmsr(0x17a).exit_with_eax();
  CHECK(run_vm(code).result.status == 11);
}

// arch/x86/kvm/x86.c, MSR_MISC_FEATURES_ENABLES: CPUID faulting alone, where PLATFORM_INFO offers it.
TEST_CASE("MISC_FEATURES_ENABLES of a VM without CPUID faulting takes a zero") {
  Assembler code(kGuestCode);
  code.wrmsr(0x140, 0).rdmsr(0x140).exit_with_eax();
  CHECK(run_vm(code).result.status == 1);
}

// arch/x86/kvm: __cr4_reserved_bits by the guest's CPUID, kvm_set_cr4, set_cr4_guest_host_mask; SVM
// intercepts every access to CR4 (init_vmcb).
TEST_CASE("a CR4 bit that the guest's CPUID does not have is #GP in a VM, whatever the host has") {
  for (const char* model : {"spr", "zen4"})
    for (const bool hidden : {false, true})
      for (const unsigned bit : {16u, 20u}) {  // FSGSBASE, which VMX guests own, and SMEP, which they do not
        Assembler code(kGuestCode);
        code.mov(eax, cr4).bts(eax, bit).mov(cr4, eax);
        code.exit(4);
        VmSetup setup;
        setup.model = model;
        setup.edit_cpuid = [&](std::vector<kvm::CpuidEntry2>& entries) {
          for (kvm::CpuidEntry2& e : entries)
            if (e.function == 7 && e.index == 0 && hidden) e.ebx &= ~(bit == 16 ? 1u : 1u << 7);
        };
        const VmRun r = run_vm(code, setup);
        CAPTURE(model);
        CAPTURE(hidden);
        CAPTURE(bit);
        if (hidden)
          CHECK(r.result.end == VmmEnd::Shutdown);
        else
          CHECK(r.result.status == 9);
        const bool owned = setup.model == "spr" && bit == 16 && !hidden;
        CHECK(r.exits(setup.model == "spr" ? "CR_ACCESS" : "write_cr") == !owned);
      }
}

// __kvm_set_xcr: components are the guest's.
TEST_CASE("XSETBV in a VM refuses components that the guest's leaf 0DH does not have") {
  for (const u32 components : {3u, 1u}) {
    Assembler code(kGuestCode);
    code.mov(eax, cr4).bts(eax, 18).mov(cr4, eax);  // OSXSAVE
    code.xor_(ecx, ecx).xor_(edx, edx).mov(eax, 3).xsetbv().exit(4);
    VmSetup setup;
    setup.edit_cpuid = [&](std::vector<kvm::CpuidEntry2>& entries) {
      for (kvm::CpuidEntry2& e : entries)
        if (e.function == 0xd && e.index == 0) e.eax = components;
    };
    const VmRun r = run_vm(code, setup);
    if (components == 3)
      CHECK(r.result.status == 9);
    else
      CHECK(r.result.end == VmmEnd::Shutdown);
  }
}

// kvm_set_msr_common, MSR_K7_HWCR: TscFreqSel and McStatusWrEn are kept, controls of caches ignored, the rest
// is #GP. The monitor sets TscFreqSel (Linux commit 8b0e00fba934).
TEST_CASE(
    "HWCR of an AMD VM says that the TSC counts at the P0 frequency, and refuses what KVM does not know") {
  const auto read_after = [](int written) {
    VmSetup setup;
    setup.model = "zen4";
    Assembler code(kGuestCode);
    if (written >= 0) code.wrmsr(msr::kHwcr, u64{1} << written);
    code.rdmsr(msr::kHwcr).shr(eax, 16).exit_with_eax();
    return run_vm(code, setup).result;
  };
  CHECK(read_after(-1).status == 2 * 0x100 + 1);
  CHECK(read_after(24).status == 2 * 0x100 + 1);
  CHECK(read_after(18).status == 2 * 4 + 1);
  CHECK(read_after(6).status == 1);
  CHECK(read_after(30).end == VmmEnd::Shutdown);
}

// kvm_get_msr_common, MSR_IA32_ARCH_CAPABILITIES: where the guest's CPUID has it.
TEST_CASE("IA32_ARCH_CAPABILITIES of a VM is the host's where the guest's CPUID enumerates it, else #GP") {
  for (const bool hidden : {false, true}) {
    VmSetup setup;
    setup.edit_cpuid = [hidden](std::vector<kvm::CpuidEntry2>& entries) {
      for (kvm::CpuidEntry2& e : entries)
        if (e.function == 7 && e.index == 0 && hidden) e.edx &= ~(1u << 29);
    };
    Assembler code(kGuestCode);
    code.rdmsr(msr::kArchCapabilities).and_(eax, 3).exit_with_eax();
    const VmmResult r = run_vm(code, setup).result;
    CAPTURE(hidden);
    if (hidden)
      CHECK(r.end == VmmEnd::Shutdown);
    else
      CHECK(r.status == 7);
  }
}
