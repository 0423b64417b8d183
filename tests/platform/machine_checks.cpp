// SPDX-License-Identifier: Apache-2.0
// Machine-check registers of a machine without banks (SDM Vol. 3, "Machine-Check Global Control MSRs").
#include <doctest/doctest.h>

#include "tests/support/machine/machine.h"

using namespace pmusim;
using namespace pmusim::platform;
using namespace pmusim::platform::test;

TEST_CASE(
    "machine checks: without the CPUID bit the registers fault, with it no banks and four status bits") {
  for (const bool present : {false, true}) {
    CpuModel changed = model("spr");
    for (CpuidEntry& e : changed.cpuid.entries)
      if (e.leaf == 1) e.regs.edx = (e.regs.edx & ~(1u << 14)) | (present ? 1u << 14 : 0);
    MachineConfig c = config("spr");
    c.model = &changed;
    Machine& m = machine();
    m.reset(c);
    Cpu& cpu = m.cpu(0);
    constexpr auto kField = PhysicalCpu::Source::Field;
    u64 value = 1;
    CHECK(cpu.hw_rdmsr(0x179, value, kField) == present);
    CHECK(value == 0);
    CHECK(cpu.hw_wrmsr(0x17a, 0xf, kField) == present);
    CHECK(cpu.hw_rdmsr(0x17a, value, kField) == present);
    CHECK(value == (present ? 0xf : 0));
    CHECK_FALSE(cpu.hw_wrmsr(0x17a, 0x10, kField));
    CHECK_FALSE(cpu.hw_rdmsr(0x400, value, kField));  // bank 0
    m.reset(config("spr"));                           // the machine must not keep the changed model
  }
}
