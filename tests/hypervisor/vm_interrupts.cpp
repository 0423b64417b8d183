// SPDX-License-Identifier: Apache-2.0
// Interrupts and NMIs of a VM, as KVM's local APIC and hypercalls give them.
#include <doctest/doctest.h>

#include <algorithm>

#include "vm_fixture.h"

using namespace pmusim;
using namespace pmusim::hv;
using namespace pmusim::hv::test;
using namespace pmusim::platform::test;
using namespace pmusim::test;

TEST_CASE("the local APIC's page is served in the kernel, without an exit to user space") {
  Assembler code(kGuestCode);
  code.store(0xfee000f0, 0x1ff).exit(1);
  const VmRun r = run_vm(code);
  CHECK(r.result.status == 3);
  CHECK(r.statistics.user_exits == 1);  // the exit port alone
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
      Assembler code(kGuestCode);
      load_tables(code).store(kCount, 0).store(0xfee000f0, 0x1ff);
      code.mov(eax, call.number).mov(ebx, call.low).mov(ecx, call.high);
      code.mov(edx, call.first).mov(esi, call.command);
      (model[0] == 's' ? code.vmcall() : code.vmmcall()).mov(dword(kAnswer), eax);
      code.sti().nop().nop().cli().sub(dword(kAnswer), call.answer);
      code.mov(eax, dword(kCount)).sub(eax, call.interrupts);
      code.or_(eax, dword(kAnswer)).exit_with_eax();  // 0 if both are as expected
      VmSetup setup;
      setup.model = model;
      CHECK(run_vm(code, setup, {part(handler), tables(kVector, kHandler)}).result.status == 1);
    }
}

// arch/x86/kvm/x86.c, process_nmi.
TEST_CASE("two NMIs wait for a vCPU that is outside the guest, one behind a handler that runs") {
  constexpr u32 kHandler = 0x401000, kCount = 0x500000;
  for (const char* model : {"spr", "zen4"}) {
    CAPTURE(model);
    Assembler handler(kHandler);
    handler.inc(dword(kCount)).out32(platform::kDoorbellPort, 3).iretd();
    Assembler code(kGuestCode);
    load_tables(code).store(kCount, 0).out32(platform::kDoorbellPort, 1).out32(platform::kDoorbellPort, 2);
    code.nop().nop().mov(eax, dword(kCount)).exit_with_eax();
    VmSetup setup;
    setup.model = model;
    Vcpu* vcpu = nullptr;
    setup.created = [&](Vcpu& created) { vcpu = &created; };
    bool inside = false;
    setup.doorbell = [&](u32 value) {
      platform::ApicMessage nmi;
      nmi.delivery = platform::ApicDelivery::Nmi;
      const unsigned times = value == 1 ? 3 : value == 2 ? 1 : inside ? 2 : 0;
      for (unsigned i = 0; i < times; ++i) vcpu->post_message(nmi, 0);
      inside = value == 2;
      return 0u;
    };
    // 3 outside: 2. Then 1, and 2 in its handler: 1 more.
    CHECK(run_vm(code, setup, {part(handler), tables(kNMI, kHandler)}).result.status == 2 * (2 + 2) + 1);
  }
}

// KVM does not let a guest have periodic timers faster than min_timer_period_us, by default 200.
TEST_CASE("a guest's periodic APIC timer has a period of at least 200 microseconds") {
  for (const u32 count : {10u, 199'999u, 200'000u, 250'000u}) {
    CAPTURE(count);
    constexpr u32 kHandler = 0x402000, kApic = 0xfee00000;
    Assembler handler(kHandler);
    handler.store(kApic + 0xb0, 0).dec(ebp).iretd();  // EOI
    Assembler code(kGuestCode);
    load_tables(code).store(kApic + 0xf0, 0x1ff).store(kApic + 0x3e0, 0xb).store(kApic + 0x320, 0x20040);
    code.mov(ebp, 10).store(kApic + 0x380, count).sti();
    const u32 halt = code.here();
    code.hlt().test(ebp, ebp).jnz(halt).exit(0);
    const VmRun r = run_vm(code, {}, {tables(0x40, kHandler), part(handler)});
    REQUIRE(r.result.end == VmmEnd::Exit);
    std::vector<u64> woken;
    for (const Event& e : r.events)
      if (e.kind == EventKind::Halt && e.text == "leave") woken.push_back(e.tsc);
    REQUIRE(woken.size() == 10);
    const u64 khz = machine().cpu(0).model().tsc_khz;
    const u64 period = (woken.back() - woken.front()) * 1'000'000 / khz / 9;  // ns
    const u64 expected = std::max(count, 200'000u);
    CHECK(period >= expected - expected / 100);
    CHECK(period <= expected + expected / 100);
  }
}
