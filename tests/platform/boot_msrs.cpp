// SPDX-License-Identifier: Apache-2.0
// Configuration MSRs that Linux needs at boot: AMD's (APM Vol. 2, "Hardware Configuration Register (HWCR)",
// "System Configuration Register (SYSCFG)"), and Intel's IA32_ARCH_CAPABILITIES (SDM Vol. 4).
#include <doctest/doctest.h>

#include "tests/support/machine/machine.h"

using namespace pmusim;
using namespace pmusim::platform;
using namespace pmusim::platform::test;

TEST_CASE("HWCR and NB_CFG exist on AMD alone, and the TSC of AMD's processors counts at the P0 frequency") {
  constexpr u32 kHwcr = 0xc0010015, kNbCfg = 0xc001001f;
  constexpr u64 kTscFreqSel = 1 << 24, kIrPerfEn = 1 << 30, kEnableCf8ExtCfg = u64{1} << 46;
  constexpr auto kField = PhysicalCpu::Source::Field;
  for (const char* name : {"zen4", "spr"}) {
    const bool amd = name[0] == 'z';
    CAPTURE(name);
    Machine& m = machine();
    m.reset(config(name));
    Cpu& cpu = m.cpu(0);
    u64 value = 1;
    CHECK(cpu.hw_rdmsr(kHwcr, value, kField) == amd);
    CHECK(value == (amd ? kTscFreqSel : 0));
    CHECK(cpu.hw_wrmsr(kHwcr, kIrPerfEn, kField) == amd);
    CHECK(cpu.hw_rdmsr(kHwcr, value, kField) == amd);
    CHECK(value == (amd ? kIrPerfEn | kTscFreqSel : 0));
    CHECK(cpu.hw_wrmsr(kNbCfg, kEnableCf8ExtCfg, kField) == amd);
    CHECK(cpu.hw_rdmsr(kNbCfg, value, kField) == amd);
    CHECK(value == (amd ? kEnableCf8ExtCfg : 0));
    m.reset(config(name));
    CHECK(cpu.hw_rdmsr(kNbCfg, value, kField) == amd);
    CHECK(value == 0);
  }
}

TEST_CASE("SYSCFG exists on AMD alone and keeps the bits of the MTRRs and of top of memory") {
  constexpr u32 kSyscfg = 0xc0010010;
  constexpr u64 kMtrrs = u64{0x1f} << 18, kEncryption = 1 << 23;
  constexpr auto kField = PhysicalCpu::Source::Field;
  for (const char* name : {"zen3", "zen4", "zen5", "spr"}) {
    const bool amd = name[0] == 'z';
    CAPTURE(name);
    Machine& m = machine();
    m.reset(config(name));
    u64 value = 1;
    CHECK(m.cpu(0).hw_rdmsr(kSyscfg, value, kField) == amd);
    CHECK(value == 0);
    CHECK(m.cpu(0).hw_wrmsr(kSyscfg, kMtrrs | kEncryption, kField) == amd);
    CHECK(m.cpu(0).hw_rdmsr(kSyscfg, value, kField) == amd);
    CHECK(value == (amd ? kMtrrs : 0));
  }
}

TEST_CASE("IA32_ARCH_CAPABILITIES exists where CPUID enumerates it, and cannot be written") {
  constexpr u32 kArchCapabilities = 0x10a;
  constexpr u64 kRdclNo = 1, kIbrsAll = 2;
  constexpr auto kField = PhysicalCpu::Source::Field;
  for (const char* name : {"spr", "icx", "skx", "zen4"}) {
    CAPTURE(name);
    Machine& m = machine();
    m.reset(config(name));
    const bool enumerated = model(name).cpuid.read(7, 0).edx >> 29 & 1;
    CHECK(enumerated == (name[0] == 's' ? name[1] == 'p' : name[0] == 'i'));  // after Skylake
    u64 value = 0;
    CHECK(m.cpu(0).hw_rdmsr(kArchCapabilities, value, kField) == enumerated);
    CHECK((value & (kRdclNo | kIbrsAll)) == (enumerated ? kRdclNo | kIbrsAll : 0));
    CHECK_FALSE(m.cpu(0).hw_wrmsr(kArchCapabilities, value, kField));
  }
}
