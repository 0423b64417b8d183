// SPDX-License-Identifier: Apache-2.0
// Whole VMs on the simulated KVM: hand-assembled guests, the VMM, order of events in the run loop.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>

#include "hypervisor/drivers/simulated_kvm.h"
#include "hypervisor/drivers/vmm.h"
#include "hypervisor/kvm/vcpu.h"
#include "hypervisor/vpmu/policy_file.h"
#include "tests/support/event_list.h"
#include "tests/support/machine/guest_image.h"
#include "tests/support/machine/machine.h"

using namespace pmusim;
using namespace pmusim::hv;
using namespace pmusim::test;
using platform::test::load_tables;

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

Run run(const Assembler& code, const Options& options = {}) {
  EventList recorder;
  platform::Machine& machine = platform::test::machine();
  platform::MachineConfig config = platform::test::config(options.model, options.host_cpus);
  config.sink = &recorder;
  machine.reset(config);
  HostConfig host;
  host.policy = shipped_policy(options.policy);
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
      Assembler code(kBase);
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
    Assembler code(kBase);
    for (int i = 0; i < 5; ++i) code.cpuid(0);
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
      Assembler code(kBase);
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
  Assembler code(kBase);
  code.cpuid(0).exit(0);
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
    Assembler code(kBase);
    code.wrmsr(0x186, 0x4300c0).wrmsr(0x38f, 1).loops(1000).cpuid(0).loops(1000).wrmsr(0x38f, 0);
    code.rdmsr(0xc1).exit_with_eax();
    Options options;
    options.policy = policy;
    const Run r = run(code, options);
    REQUIRE(r.result.end == VmmEnd::Exit);
    // The enabling WRMSR; three MOVs and WRMSR; MOV, 1000 LOOPs, MOV, CPUID, MOV, 1000 LOOPs; three MOVs
    // before the disabling WRMSR, which does not count.
    CHECK((r.result.status - 1) / 2 == 1 + 4 + 1001 + 2 + 1001 + 3);
  }
}

TEST_CASE(
    "RDMSR of a register that the vCPU does not have ends in the guest's #GP, without handler in a triple "
    "fault") {
  Assembler code(kBase);
  code.rdmsr(0x12345).exit(0);
  const Run r = run(code);
  CHECK(r.result.end == VmmEnd::Shutdown);
  CHECK(std::any_of(r.events.begin(), r.events.end(), [](const Event& e) {
    return e.kind == EventKind::Msr && e.a == 0x12345 && e.fault && !e.write;
  }));
}

TEST_CASE("the doorbell's answer comes back to the guest") {
  Assembler code(kBase);
  code.out32(platform::kDoorbellPort, 5).in32(platform::kDoorbellPort).exit_with_eax();
  Options options;
  options.doorbell = [](u32 step) { return step * 10; };
  CHECK(run(code, options).result.status == 2 * 50 + 1);
  CHECK(run(code).result.status == static_cast<u32>(2 * 0xffffffffu + 1));
}

TEST_CASE("a write to memory that no slot holds is emulated and goes to user space") {
  Assembler code(kBase);
  code.store(0xd0000000, 1).exit(1);
  const Run r = run(code);
  CHECK(r.result.status == 3);
  CHECK(exits(r, "EPT_VIOLATION") == 1);
}

TEST_CASE("the local APIC's page is served in the kernel, without an exit to user space") {
  Assembler code(kBase);
  code.store(0xfee000f0, 0x1ff).exit(1);
  const Run r = run(code);
  CHECK(r.result.status == 3);
  CHECK(r.statistics.user_exits == 1);  // the exit port alone
}

TEST_CASE("UD2 with KVM's prefix is emulated where the host offers it, else #UD") {
  Assembler code(kBase);
  code.mov(eax, 0).raw({0x0f, 0x0b, 'k', 'v', 'm'}).cpuid().exit(1);
  Options options;
  options.forced_emulation = true;
  CHECK(run(code, options).result.status == 3);
  CHECK(run(code).result.end == VmmEnd::Shutdown);
}

TEST_CASE("a guest that halts with interrupts disabled is a stall, one that spins meets the cycle limit") {
  Assembler halting(kBase);
  halting.halt();
  CHECK(run(halting).result.end == VmmEnd::Stall);
  Assembler spinning(kBase);
  spinning.spin();
  Options options;
  options.cycles = 100000;
  const VmmResult limited = run(spinning, options).result;
  CHECK(limited.end == VmmEnd::CycleLimit);
  CHECK(limited.detail == "cycle 100000 reached without an exit");
}

TEST_CASE("the same VM twice gives the same events to the cycle") {
  Assembler code(kBase);
  code.wrmsr(0x186, 0x4300c0).loops(1000).cpuid(0).exit(0);
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
      Assembler handler(kHandler);
      handler.inc(dword(kCount)).store(0xfee000b0, 0).iretd();
      Assembler code(kBase);
      load_tables(code).store(kCount, 0).store(0xfee000f0, 0x1ff);
      code.mov(eax, call.number).mov(ebx, call.low).mov(ecx, call.high);
      code.mov(edx, call.first).mov(esi, call.command);
      (model[0] == 's' ? code.vmcall() : code.vmmcall()).mov(dword(kAnswer), eax);
      code.sti().nop().nop().cli().sub(dword(kAnswer), call.answer);
      code.mov(eax, dword(kCount)).sub(eax, call.interrupts);
      code.or_(eax, dword(kAnswer)).exit_with_eax();  // 0 if both are as expected
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
    Assembler handler(kHandler);
    handler.inc(dword(kCount)).out32(0xd0b0, 3).iretd();
    Assembler code(kBase);
    load_tables(code).store(kCount, 0).out32(0xd0b0, 1).out32(0xd0b0, 2);
    code.nop().nop().mov(eax, dword(kCount)).exit_with_eax();
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
    Assembler code(kBase);
    code.cpuid(1).mov(esi, ecx).and_(esi, 8);
    code.mov(eax, kBase).xor_(ecx, ecx).xor_(edx, edx).monitor().mwait();
    code.mov(eax, esi).add(eax, 5).exit_with_eax();
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
    Assembler code(kBase);
    code.jmp(kStart).raw(data).lgdt(kRegister).mov(ax, 0x18).ltr(ax).jmp_far(0x20, 0);
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
  Assembler code(kBase);
  code.wrmsr(0x17a, 5).rdmsr(0x17a).exit_with_eax();
  CHECK(run(code).result.status == 11);
}

// arch/x86/kvm/x86.c, MSR_MISC_FEATURES_ENABLES: CPUID faulting alone, where PLATFORM_INFO offers it.
TEST_CASE("MISC_FEATURES_ENABLES of a VM without CPUID faulting takes a zero") {
  Assembler code(kBase);
  code.wrmsr(0x140, 0).rdmsr(0x140).exit_with_eax();
  CHECK(run(code).result.status == 1);
}

// arch/x86/kvm: __cr4_reserved_bits by the guest's CPUID, kvm_set_cr4, set_cr4_guest_host_mask; SVM
// intercepts every access to CR4 (init_vmcb).
TEST_CASE("a CR4 bit that the guest's CPUID does not have is #GP in a VM, whatever the host has") {
  for (const char* model : {"spr", "zen4"})
    for (const bool hidden : {false, true})
      for (const unsigned bit : {16u, 20u}) {  // FSGSBASE, which VMX guests own, and SMEP, which they do not
        Assembler code(kBase);
        code.mov(eax, cr4).bts(eax, bit).mov(cr4, eax);
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
    Assembler code(kBase);
    code.mov(eax, cr4).bts(eax, 18).mov(cr4, eax);  // OSXSAVE
    code.xor_(ecx, ecx).xor_(edx, edx).mov(eax, 3).xsetbv().exit(4);
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
    Assembler code(kBase);
    if (written >= 0) code.wrmsr(0xc0010015, u64{1} << written);
    code.rdmsr(0xc0010015).shr(eax, 16).exit_with_eax();
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
    Assembler code(kBase);
    code.rdmsr(0x10a).and_(eax, 3).exit_with_eax();
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
    Assembler handler(kHandler);
    handler.store(kApic + 0xb0, 0).dec(ebp).iretd();  // EOI
    Assembler code(kBase);
    load_tables(code).store(kApic + 0xf0, 0x1ff).store(kApic + 0x3e0, 0xb).store(kApic + 0x320, 0x20040);
    code.mov(ebp, 10).store(kApic + 0x380, count).sti();
    const u32 halt = code.here();
    code.hlt().test(ebp, ebp).jnz(halt).exit(0);
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
    Assembler code(kBase);
    if (halts)
      code.cli().hlt();
    else
      code.spin();
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
