// SPDX-License-Identifier: Apache-2.0
// The API's seams as a VMM uses them: running as request and completion, and guest memory that the caller
// owns and both sides see.
#include <doctest/doctest.h>

#include <cstdlib>
#include <cstring>
#include <memory>

#include "hypervisor/drivers/simulated_kvm.h"
#include "hypervisor/vpmu/policy_file.h"
#include "tests/support/machine/machine.h"

using namespace pmusim;
using namespace pmusim::hv;

namespace {

constexpr u64 kMemory = 64 << 10, kCode = 0x1000;

struct Free {
  void operator()(u8* p) const { std::free(p); }
};

void start_at(kvm::Vcpu& vcpu, u64 rip) {
  kvm::Sregs sregs;
  REQUIRE(vcpu.get_sregs(sregs) == 0);
  sregs.cs.base = 0;
  sregs.cs.selector = 0;
  REQUIRE(vcpu.set_sregs(sregs) == 0);
  kvm::Regs regs;
  regs.rip = rip;
  regs.rflags = 2;
  REQUIRE(vcpu.set_regs(regs) == 0);
}

}  // namespace

TEST_CASE("a run is a request that completes with an exit, in memory of the caller") {
  for (const char* policy : {"emulated", "mediated", "dedicated"}) {
    CAPTURE(std::string(policy));
    platform::Machine& machine = platform::test::machine();
    machine.reset(platform::test::config("spr", 2));
    const std::unique_ptr<u8, Free> memory(static_cast<u8*>(std::aligned_alloc(4096, kMemory)));
    std::memset(memory.get(), 0, kMemory);
    // Real mode. First: mov byte [2000h], 5Ah; out 80h, al; inc byte [2000h]; out 81h, al.
    const u8 first[] = {0xc6, 0x06, 0x00, 0x20, 0x5a, 0xe6, 0x80, 0xfe, 0x06, 0x00, 0x20, 0xe6, 0x81};
    // Second: mov al, [2001h]; or al, al; jz back; out 82h, al.
    const u8 second[] = {0xa0, 0x01, 0x20, 0x08, 0xc0, 0x74, 0xf9, 0xe6, 0x82};
    std::memcpy(memory.get() + kCode, first, sizeof first);
    std::memcpy(memory.get() + kCode + 0x100, second, sizeof second);

    HostConfig host;
    host.policy = shipped_policy(policy);
    SimulatedKvm kvm(machine, host);
    std::unique_ptr<kvm::Vm> vm;
    REQUIRE(kvm.create_vm(vm) == 0);
    REQUIRE(vm->create_irqchip() == 0);
    REQUIRE(vm->set_user_memory_region({0, 0, 0, kMemory, reinterpret_cast<u64>(memory.get())}) == 0);
    kvm::Vcpu* vcpus[2] = {};
    std::vector<kvm::CpuidEntry2> cpuid;
    REQUIRE(kvm.get_supported_cpuid(cpuid) == 0);
    for (unsigned id = 0; id < 2; ++id) {
      REQUIRE(vm->create_vcpu(id, vcpus[id]) == 0);
      REQUIRE(vcpus[id]->set_cpuid2(cpuid) == 0);
    }
    start_at(*vcpus[0], kCode);
    vcpus[0]->post_run();
    CHECK(vcpus[0]->running());
    CHECK_FALSE(vcpus[1]->running());
    REQUIRE(vm->wait({1'000'000, kNever}) == vcpus[0]);
    CHECK_FALSE(vcpus[0]->running());
    CHECK(vcpus[0]->run_result() == 0);
    CHECK(vcpus[0]->run_data().exit_reason == kvm::ExitReason::Io);
    CHECK(vcpus[0]->run_data().io.port == 0x80);
    CHECK(memory.get()[0x2000] == 0x5a);

    // It goes on behind the exit that was served; the caller's store is what the guest sees.
    memory.get()[0x2000] = 0x10;
    REQUIRE(vm->run(*vcpus[0], {1'000'000, kNever}) == 0);
    CHECK(vcpus[0]->run_data().io.port == 0x81);
    CHECK(memory.get()[0x2000] == 0x11);

    // A limit leaves the request standing: the guest waits for memory that nobody has written yet.
    start_at(*vcpus[0], kCode + 0x100);
    vcpus[0]->post_run();
    CHECK(vm->wait({100'000, kNever}) == nullptr);
    CHECK_FALSE(vm->stalled());
    CHECK(vcpus[0]->running());
    memory.get()[0x2001] = 1;
    REQUIRE(vm->wait({1'000'000, kNever}) == vcpus[0]);
    CHECK(vcpus[0]->run_data().io.port == 0x82);
  }
  platform::test::machine().reset(platform::test::config("spr", 1));
}
