// SPDX-License-Identifier: Apache-2.0
// Whole VMs on the simulated KVM: hand-assembled guests, the VMM, order of events in the run loop.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>

#include "hypervisor/drivers/simulated_kvm.h"
#include "hypervisor/drivers/vmm.h"
#include "hypervisor/kvm/vcpu.h"
#include "tests/support/machine/machine.h"
#include "tests/support/paths.h"

using namespace pmusim;
using namespace pmusim::hv;
using platform::test::Code;

namespace {

constexpr u32 kBase = 0x400000;

struct Run {
  VmmResult result;
  std::vector<Event> events;
  ExitStatistics statistics;
  u64 count(EventKind kind) const {
    return static_cast<u64>(
        std::count_if(events.begin(), events.end(), [&](const Event& e) { return e.kind == kind; }));
  }
};

struct Options {
  std::string model = "spr", policy = "emulated";
  bool forced_emulation = false;
  u64 cycles = 50'000'000;
  std::function<u32(u32)> doorbell;
  std::function<void(std::vector<kvm::CpuidEntry2>&)> edit_cpuid;
  unsigned host_cpus = 1;
  std::vector<platform::test::Part> parts = {};
  std::function<void(Vcpu&)> created = {};
};

Run run(const Code& code, const Options& options = {}) {
  platform::test::Recorder recorder;
  platform::Machine& machine = platform::test::machine();
  platform::MachineConfig config = platform::test::config(options.model, options.host_cpus);
  config.sink = &recorder;
  machine.reset(config);
  HostConfig host;
  host.policy = load_policy(pmusim::test::source("policies/" + options.policy + ".json"));
  host.events = &recorder;
  host.forced_emulation_prefix = options.forced_emulation;
  Run run;
  {
    SimulatedKvm kvm(machine, host);
    VmmConfig vmm_config;
    vmm_config.image = platform::test::make_image(code, options.parts);
    vmm_config.memory = 16 << 20;
    vmm_config.limit.cycles = options.cycles;
    vmm_config.on_doorbell = options.doorbell;
    vmm_config.edit_cpuid = options.edit_cpuid;
    Vmm vmm(kvm, std::move(vmm_config));
    REQUIRE_MESSAGE(vmm.create(), vmm.result().detail);
    if (options.created) options.created(SimulatedKvm::simulated(vmm.vcpu(0)));
    run.result = vmm.run();
    run.statistics = SimulatedKvm::simulated(vmm.vcpu(0)).statistics();
  }
  config.sink = nullptr;
  machine.reset(config);
  run.events = recorder.events;
  return run;
}

u64 exits(const Run& run, const std::string& name) {
  for (const ExitStatistics::Row& row : run.statistics.rows)
    if (name == row.name) return row.count;
  return 0;
}

}  // namespace

TEST_CASE(
    "a guest prints through the serial port and ends with the exit port's status on every vendor and "
    "policy") {
  for (const char* model : {"spr", "skx", "zen4"})
    for (const char* policy : {"emulated", "mediated", "dedicated"}) {
      CAPTURE(model);
      CAPTURE(policy);
      Code code(kBase);
      code.print('o').print('k').exit(3);
      Options options;
      options.model = model;
      options.policy = policy;
      const Run r = run(code, options);
      CHECK(r.result.end == VmmEnd::Exit);
      CHECK(r.result.status == 7);
      CHECK(r.result.serial == "ok");
    }
}

TEST_CASE("each CPUID exits exactly once") {
  for (const char* model : {"spr", "zen4"}) {
    Code code(kBase);
    for (int i = 0; i < 5; ++i) code.raw({0x31, 0xc0, 0x0f, 0xa2});  // xor eax, eax; cpuid
    code.exit(0);
    Options options;
    options.model = model;
    const Run r = run(code, options);
    CHECK(exits(r, model[0] == 's' ? "CPUID" : "cpuid") == 5);
    CHECK(r.count(EventKind::Cpuid) == 5);
    CHECK(r.count(EventKind::Entry) == r.count(EventKind::Exit));
  }
}

TEST_CASE(
    "a guest's indirect branch prediction barrier reaches the CPU, once, and an empty command does not") {
  for (const char* model : {"spr", "zen4"})
    for (const u64 command : {u64{0}, u64{1}}) {
      Code code(kBase);
      code.wrmsr(0x49, command).exit(0);
      Options options;
      options.model = model;
      const Run r = run(code, options);
      CHECK(r.result.end == VmmEnd::Exit);
      const auto barriers = std::count_if(r.events.begin(), r.events.end(), [](const Event& e) {
        return e.kind == EventKind::HostMsr && e.write && e.a == 0x49 && e.b == 1 && !e.fault;
      });
      CHECK(barriers == static_cast<s64>(command));
    }
}

TEST_CASE("the mediated PMU is put after the VM-exit and before the exit is handled") {
  Code code(kBase);
  code.raw({0x31, 0xc0, 0x0f, 0xa2}).exit(0);
  Options options;
  options.policy = "mediated";
  const Run r = run(code, options);
  const auto cpuid = std::find_if(r.events.begin(), r.events.end(),
                                  [](const Event& e) { return e.kind == EventKind::Cpuid; });
  REQUIRE(cpuid != r.events.end());
  auto at = cpuid;
  unsigned rdpmc = 0;
  bool status = false;
  while (at != r.events.begin() && at->kind != EventKind::Exit) {
    --at;
    if (at->kind == EventKind::HostMsr && at->text == "rdpmc") ++rdpmc;
    if (at->kind == EventKind::HostMsr && at->text == "rdmsr" && at->a == 0x38e) status = true;
  }
  CHECK(rdpmc == 11);  // 8 GP and KVM's cap of 3 fixed counters
  CHECK(status);
  const auto entry =
      std::find_if(cpuid, r.events.end(), [](const Event& e) { return e.kind == EventKind::Entry; });
  CHECK(std::any_of(cpuid, entry,
                    [](const Event& e) { return e.kind == EventKind::HostMsr && e.a == 0x38f && e.b == 0; }));
}

TEST_CASE("a guest's retired instructions are counted exactly, an emulated CPUID among them") {
  // Event C0h. GLOBAL_CTRL has all GP counters enabled at reset, so the selector's WRMSR is the enabling one.
  for (const char* policy : {"emulated", "mediated"}) {
    CAPTURE(policy);
    Code code(kBase);
    code.wrmsr(0x186, 0x4300c0)
        .wrmsr(0x38f, 1)
        .loop(1000)
        .raw({0x31, 0xc0, 0x0f, 0xa2})
        .loop(1000)
        .wrmsr(0x38f, 0);
    code.raw({0xb9}).imm32(0xc1).raw({0x0f, 0x32}).exit_with_eax();  // rdmsr
    Options options;
    options.policy = policy;
    const Run r = run(code, options);
    REQUIRE(r.result.end == VmmEnd::Exit);
    // The enabling WRMSR; three MOVs and WRMSR; MOV, 1000 LOOPs, XOR, CPUID, MOV, 1000 LOOPs; three MOVs
    // before the disabling WRMSR, which does not count.
    CHECK((r.result.status - 1) / 2 == 1 + 4 + 1001 + 2 + 1001 + 3);
  }
}

TEST_CASE(
    "RDMSR of a register that the vCPU does not have ends in the guest's #GP, without handler in a triple "
    "fault") {
  Code code(kBase);
  code.raw({0xb9}).imm32(0x12345).raw({0x0f, 0x32}).exit(0);
  const Run r = run(code);
  CHECK(r.result.end == VmmEnd::Shutdown);
  CHECK(std::any_of(r.events.begin(), r.events.end(), [](const Event& e) {
    return e.kind == EventKind::Msr && e.a == 0x12345 && e.fault && !e.write;
  }));
}

TEST_CASE("the doorbell's answer comes back to the guest") {
  Code code(kBase);
  code.out32(platform::kDoorbellPort, 5).in32(platform::kDoorbellPort).exit_with_eax();
  Options options;
  options.doorbell = [](u32 step) { return step * 10; };
  CHECK(run(code, options).result.status == 2 * 50 + 1);
  CHECK(run(code).result.status == static_cast<u32>(2 * 0xffffffffu + 1));
}

TEST_CASE("a write to memory that no slot holds is emulated and goes to user space") {
  Code code(kBase);
  code.store(0xd0000000, 1).exit(1);
  const Run r = run(code);
  CHECK(r.result.status == 3);
  CHECK(exits(r, "EPT_VIOLATION") == 1);
}

TEST_CASE("the local APIC's page is served in the kernel, without an exit to user space") {
  Code code(kBase);
  code.store(0xfee000f0, 0x1ff).exit(1);
  const Run r = run(code);
  CHECK(r.result.status == 3);
  CHECK(r.statistics.user_exits == 1);  // the exit port alone
}

TEST_CASE("UD2 with KVM's prefix is emulated where the host offers it, else #UD") {
  Code code(kBase);
  code.raw({0x31, 0xc0, 0x0f, 0x0b, 'k', 'v', 'm', 0x0f, 0xa2}).exit(1);  // forced CPUID
  Options options;
  options.forced_emulation = true;
  CHECK(run(code, options).result.status == 3);
  CHECK(run(code).result.end == VmmEnd::Shutdown);
}

TEST_CASE("a guest that halts with interrupts disabled is a stall, one that spins meets the cycle limit") {
  Code halting(kBase);
  halting.halt();
  CHECK(run(halting).result.end == VmmEnd::Stall);
  Code spinning(kBase);
  spinning.spin();
  Options options;
  options.cycles = 100000;
  const VmmResult limited = run(spinning, options).result;
  CHECK(limited.end == VmmEnd::CycleLimit);
  CHECK(limited.detail == "cycle 100000 reached without an exit");
}

TEST_CASE("the same VM twice gives the same events to the cycle") {
  Code code(kBase);
  code.wrmsr(0x186, 0x4300c0).loop(1000).raw({0x31, 0xc0, 0x0f, 0xa2}).exit(0);
  Options options;
  options.policy = "mediated";
  const Run a = run(code, options), b = run(code, options);
  REQUIRE(a.events.size() == b.events.size());
  for (std::size_t i = 0; i < a.events.size(); ++i) {
    CHECK(a.events[i].cycle == b.events[i].cycle);
    CHECK(a.events[i].a == b.events[i].a);
  }
}

// arch/x86/kvm/x86.c, ____kvm_emulate_hypercall; arch/x86/kvm/lapic.c, kvm_pv_send_ipi.
TEST_CASE("KVM's hypercall sends interrupts to a set of APIC IDs and says how many took it") {
  constexpr u32 kHandler = 0x401000, kCount = 0x500000, kAnswer = 0x500010, kVector = 0x30;
  struct Call {
    u32 number, low, high, first, command, answer, interrupts;
  };
  const Call calls[] = {{10, 1, 0, 0, kVector, 1, 1},
                        {10, 3, 0, 0, kVector, 1, 1},
                        {10, 2, 1, 0, kVector, 0, 0},
                        {10, 0, 1, 0xffffffe0, kVector, 1, 1},  // the second word begins 32 IDs further
                        {10, ~0u, ~0u, ~0u, kVector, 0, 0},
                        {10, 1, 0, 0, kVector | 1 << 11, static_cast<u32>(-22), 0},
                        {10, 1, 0, 0, kVector | 1 << 18, static_cast<u32>(-22), 0},
                        {11, 1, 0, 0, kVector, static_cast<u32>(-1000), 0}};
  for (const char* model : {"spr", "zen4"})
    for (const Call& call : calls) {
      CAPTURE(model);
      CAPTURE(&call - calls);
      Code handler(kHandler);
      handler.raw({0xff, 0x05}).imm32(kCount).store(0xfee000b0, 0).raw({0xcf});
      Code code(kBase);
      code.load_tables().store(kCount, 0).store(0xfee000f0, 0x1ff);
      code.raw({0xb8}).imm32(call.number).raw({0xbb}).imm32(call.low).raw({0xb9}).imm32(call.high);
      code.raw({0xba}).imm32(call.first).raw({0xbe}).imm32(call.command);
      code.raw({0x0f, 0x01, model[0] == 's' ? 0xc1 : 0xd9, 0xa3}).imm32(kAnswer);
      code.raw({0xfb, 0x90, 0x90, 0xfa});                        // sti; nop; nop; cli
      code.raw({0x81, 0x2d}).imm32(kAnswer).imm32(call.answer);  // sub [answer], expected
      code.raw({0xa1}).imm32(kCount).raw({0x2d}).imm32(call.interrupts);
      code.raw({0x0b, 0x05}).imm32(kAnswer).exit_with_eax();  // or: 0 if both are as expected
      Options options;
      options.model = model;
      options.parts = {platform::test::part(handler), platform::test::tables(kVector, kHandler)};
      CHECK(run(code, options).result.status == 1);
    }
}

// arch/x86/kvm/x86.c, process_nmi.
TEST_CASE("two NMIs wait for a vCPU that is outside the guest, one behind a handler that runs") {
  constexpr u32 kHandler = 0x401000, kCount = 0x500000;
  for (const char* model : {"spr", "zen4"}) {
    CAPTURE(model);
    Code handler(kHandler);
    handler.raw({0xff, 0x05}).imm32(kCount).out32(0xd0b0, 3).raw({0xcf});
    Code code(kBase);
    code.load_tables().store(kCount, 0).out32(0xd0b0, 1).out32(0xd0b0, 2);
    code.raw({0x90, 0x90, 0xa1}).imm32(kCount).exit_with_eax();
    Options options;
    options.model = model;
    options.parts = {platform::test::part(handler), platform::test::tables(kNMI, kHandler)};
    Vcpu* vcpu = nullptr;
    options.created = [&](Vcpu& created) { vcpu = &created; };
    bool inside = false;
    options.doorbell = [&](u32 value) {
      platform::ApicMessage nmi;
      nmi.delivery = platform::ApicDelivery::Nmi;
      const unsigned times = value == 1 ? 3 : value == 2 ? 1 : inside ? 2 : 0;
      for (unsigned i = 0; i < times; ++i) vcpu->post_message(nmi, 0);
      inside = value == 2;
      return 0u;
    };
    // 3 outside: 2. Then 1, and 2 in its handler: 1 more.
    CHECK(run(code, options).result.status == 2 * (2 + 2) + 1);
  }
}

// arch/x86/kvm/x86.c, kvm_emulate_monitor_mwait, with its quirks as they are by default; CPUID as
// KVM_GET_SUPPORTED_CPUID gives it.
TEST_CASE("a VM is not told of MONITOR and MWAIT, both exit and do nothing") {
  for (const char* model : {"spr", "zen4"}) {
    Code code(kBase);
    code.raw({0x31, 0xc0, 0x40, 0x0f, 0xa2, 0x89, 0xce, 0x83, 0xe6, 0x08});  // cpuid 1; esi = ecx & 8
    code.raw({0xb8}).imm32(kBase).raw({0x31, 0xc9, 0x31, 0xd2, 0x0f, 0x01, 0xc8, 0x0f, 0x01, 0xc9});
    code.raw({0x89, 0xf0, 0x83, 0xc0, 0x05}).exit_with_eax();
    Options options;
    options.model = model;
    const Run r = run(code, options);
    INFO(model);
    CHECK(r.result.status == 11);
    const bool intel = options.model == "spr";
    CHECK(exits(r, intel ? "MONITOR_INSTRUCTION" : "monitor") == 1);
    CHECK(exits(r, intel ? "MWAIT_INSTRUCTION" : "mwait") == 1);
  }
}

// SDM Vol. 3, "Treatment of Task Switches"; arch/x86/kvm, handle_task_switch and emulator_task_switch.
TEST_CASE("a task switch in a VM exits and is completed by the hypervisor") {
  for (const char* model : {"spr", "zen4"}) {
    constexpr u32 kGdt = kBase + 5, kFirst = kGdt + 40, kSecond = kFirst + 0x68, kRegister = kSecond + 0x68,
                  kStart = kRegister + 6, kEntry = kStart + 21;
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
    Code code(kBase);
    code.raw({0xe9}).imm32(kStart - kGdt);
    for (const u8 byte : data) code.raw({byte});
    code.raw({0x0f, 0x01, 0x15})
        .imm32(kRegister)
        .raw({0x66, 0xb8, 0x18, 0, 0x0f, 0x00, 0xd8});  // lgdt, ltr 18h
    code.raw({0xea, 0, 0, 0, 0, 0x20, 0});              // jmp 20h:0
    REQUIRE(code.here() == kEntry);
    code.exit_with_eax();
    Options options;
    options.model = model;
    const Run r = run(code, options);
    INFO(model);
    CHECK(r.result.status == 15);
    CHECK(exits(r, options.model == "spr" ? "TASK_SWITCH" : "task_switch") == 1);
  }
}

// arch/x86/kvm/x86.c: set_msr_mce stores IA32_MCG_STATUS.
TEST_CASE("IA32_MCG_STATUS of a VM keeps what is written") {
  Code code(kBase);
  code.wrmsr(0x17a, 5).raw({0xb9}).imm32(0x17a).raw({0x0f, 0x32}).exit_with_eax();
  CHECK(run(code).result.status == 11);
}

// arch/x86/kvm/x86.c, MSR_MISC_FEATURES_ENABLES: CPUID faulting alone, where PLATFORM_INFO offers it.
TEST_CASE("MISC_FEATURES_ENABLES of a VM without CPUID faulting takes a zero") {
  Code code(kBase);
  code.wrmsr(0x140, 0).raw({0xb9}).imm32(0x140).raw({0x0f, 0x32}).exit_with_eax();
  CHECK(run(code).result.status == 1);
}

// arch/x86/kvm: __cr4_reserved_bits by the guest's CPUID, kvm_set_cr4, set_cr4_guest_host_mask; SVM
// intercepts every access to CR4 (init_vmcb).
TEST_CASE("a CR4 bit that the guest's CPUID does not have is #GP in a VM, whatever the host has") {
  for (const char* model : {"spr", "zen4"})
    for (const bool hidden : {false, true})
      for (const unsigned bit : {16u, 20u}) {  // FSGSBASE, which VMX guests own, and SMEP, which they do not
        Code code(kBase);
        code.raw({0x0f, 0x20, 0xe0, 0x0f, 0xba, 0xe8, int(bit), 0x0f, 0x22, 0xe0});  // cr4 |= 1 << bit
        code.exit(4);
        Options options;
        options.model = model;
        options.edit_cpuid = [&](std::vector<kvm::CpuidEntry2>& entries) {
          for (kvm::CpuidEntry2& e : entries)
            if (e.function == 7 && e.index == 0 && hidden) e.ebx &= ~(bit == 16 ? 1u : 1u << 7);
        };
        const Run r = run(code, options);
        CAPTURE(model);
        CAPTURE(hidden);
        CAPTURE(bit);
        if (hidden)
          CHECK(r.result.end == VmmEnd::Shutdown);
        else
          CHECK(r.result.status == 9);
        const bool owned = options.model == "spr" && bit == 16 && !hidden;
        CHECK(exits(r, options.model == "spr" ? "CR_ACCESS" : "write_cr") == !owned);
      }
}

// __kvm_set_xcr: components are the guest's.
TEST_CASE("XSETBV in a VM refuses components that the guest's leaf 0DH does not have") {
  for (const u32 components : {3u, 1u}) {
    Code code(kBase);
    code.raw({0x0f, 0x20, 0xe0, 0x0f, 0xba, 0xe8, 18, 0x0f, 0x22, 0xe0});            // CR4.OSXSAVE
    code.raw({0x31, 0xc9, 0x31, 0xd2, 0xb8, 3, 0, 0, 0, 0x0f, 0x01, 0xd1}).exit(4);  // XCR0 = 3
    Options options;
    options.edit_cpuid = [&](std::vector<kvm::CpuidEntry2>& entries) {
      for (kvm::CpuidEntry2& e : entries)
        if (e.function == 0xd && e.index == 0) e.eax = components;
    };
    const Run r = run(code, options);
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
    Options options;
    options.model = "zen4";
    Code code(kBase);
    if (written >= 0) code.wrmsr(0xc0010015, u64{1} << written);
    code.raw({0xb9}).imm32(0xc0010015).raw({0x0f, 0x32, 0xc1, 0xe8, 0x10}).exit_with_eax();  // shr eax, 16
    return run(code, options).result;
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
    Options options;
    options.edit_cpuid = [hidden](std::vector<kvm::CpuidEntry2>& entries) {
      for (kvm::CpuidEntry2& e : entries)
        if (e.function == 7 && e.index == 0 && hidden) e.edx &= ~(1u << 29);
    };
    Code code(kBase);
    code.raw({0xb9}).imm32(0x10a).raw({0x0f, 0x32, 0x83, 0xe0, 3}).exit_with_eax();  // and eax, 3
    const VmmResult r = run(code, options).result;
    CAPTURE(hidden);
    if (hidden)
      CHECK(r.end == VmmEnd::Shutdown);
    else
      CHECK(r.status == 7);
  }
}

// KVM does not let a guest have periodic timers faster than min_timer_period_us, by default 200.
TEST_CASE("a guest's periodic APIC timer has a period of at least 200 microseconds") {
  for (const u32 count : {10u, 199'999u, 200'000u, 250'000u}) {
    CAPTURE(count);
    constexpr u32 kHandler = 0x402000, kApic = 0xfee00000;
    Code handler(kHandler);
    handler.store(kApic + 0xb0, 0).raw({0x4d, 0xcf});  // EOI; dec ebp; iretd
    Code code(kBase);
    code.load_tables().store(kApic + 0xf0, 0x1ff).store(kApic + 0x3e0, 0xb).store(kApic + 0x320, 0x20040);
    code.raw({0xbd, 10, 0, 0, 0}).store(kApic + 0x380, count);  // mov ebp, 10
    code.raw({0xfb, 0xf4, 0x85, 0xed, 0x75, 0xfb}).exit(0);     // sti; hlt; test ebp, ebp; jnz to the hlt
    Options options;
    options.parts = {platform::test::tables(0x40, kHandler), platform::test::part(handler)};
    const Run r = run(code, options);
    REQUIRE(r.result.end == VmmEnd::Exit);
    std::vector<u64> woken;
    for (const Event& e : r.events)
      if (e.kind == EventKind::Halt && e.text == "leave") woken.push_back(e.tsc);
    REQUIRE(woken.size() == 10);
    const u64 khz = platform::test::machine().cpu(0).model().tsc_khz;
    const u64 period = (woken.back() - woken.front()) * 1'000'000 / khz / 9;  // ns
    const u64 expected = std::max(count, 200'000u);
    CHECK(period >= expected - expected / 100);
    CHECK(period <= expected + expected / 100);
  }
}

TEST_CASE("a vCPU that a limit stops in the guest or halted has all its time in its statistics") {
  for (const bool halts : {false, true}) {
    CAPTURE(halts);
    Code code(kBase);
    if (halts)
      code.raw({0xfa, 0xf4});  // cli; hlt
    else
      code.raw({0xeb, 0xfe});  // jmp to itself
    Options options;
    options.cycles = 3'000'000;
    const Run r = run(code, options);
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
