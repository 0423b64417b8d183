// SPDX-License-Identifier: Apache-2.0
// AMD's configuration MSRs that Linux needs at boot (APM Vol. 2, "Hardware Configuration Register (HWCR)").
#include <doctest/doctest.h>

#include "support.h"

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
