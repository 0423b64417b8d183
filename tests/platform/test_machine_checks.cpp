// SPDX-License-Identifier: Apache-2.0
// Machine-check registers of a machine without banks (SDM Vol. 3, "Machine-Check Global Control MSRs").
#include <doctest/doctest.h>

#include "support.h"

using namespace pmusim;
using namespace pmusim::platform;
using namespace pmusim::platform::test;

TEST_CASE(
    "machine checks: no banks are reported, the status register holds its four bits and faults on others") {
  Machine& m = machine();
  m.reset(config("spr"));
  Cpu& cpu = m.cpu(0);
  u64 value = 1;
  REQUIRE(cpu.hw_rdmsr(0x179, value, PhysicalCpu::Source::Field));
  CHECK(value == 0);
  CHECK(cpu.hw_wrmsr(0x17a, 0xf, PhysicalCpu::Source::Field));
  CHECK(cpu.hw_rdmsr(0x17a, value, PhysicalCpu::Source::Field));
  CHECK(value == 0xf);
  CHECK_FALSE(cpu.hw_wrmsr(0x17a, 0x10, PhysicalCpu::Source::Field));
  CHECK_FALSE(cpu.hw_rdmsr(0x400, value, PhysicalCpu::Source::Field));  // bank 0
}
