// SPDX-License-Identifier: Apache-2.0
// CPUID choices that leave features out. Bits: SDM Vol. 2, CPUID, leaf 1 (x2APIC ECX[21], TSC-deadline
// ECX[24]).
#include <doctest/doctest.h>

#include "base/bits.h"
#include "base/error.h"
#include "hypervisor/vpmu/kernel_release.h"
#include "models/models.h"
#include "session/cpuid_choice.h"
#include "tests/support/refusal.h"

using namespace pmusim;
using namespace pmusim::session;

TEST_CASE("a CPUID choice leaves out the features that follow it and no others") {
  const CpuModel model = models::load_model("zen4");
  const hv::KernelRelease release = hv::kDefaultRelease;
  for (const std::string base : {"host", "kvm"}) {
    CAPTURE(base);
    const CpuidRegs all = guest_cpuid(base, model, release, true).table.read(1, 0);
    const u32 x2apic = static_cast<u32>(bit(21)), deadline = static_cast<u32>(bit(24));
    REQUIRE((all.ecx & x2apic));
    const CpuidRegs one = guest_cpuid(base + ",-x2apic", model, release, true).table.read(1, 0);
    CHECK(one.ecx == (all.ecx & ~x2apic));
    CHECK(one.edx == all.edx);
    const CpuidRegs two = guest_cpuid(base + ",-x2apic,-tsc-deadline", model, release, true).table.read(1, 0);
    CHECK(two.ecx == (all.ecx & ~(x2apic | deadline)));
  }
}

TEST_CASE("default with features left out is still host on bare metal and kvm in a VM") {
  CHECK(resolved_cpuid("default,-x2apic", true) == "host,-x2apic");
  CHECK(resolved_cpuid("default,-x2apic", false) == "kvm,-x2apic");
  CHECK(resolved_cpuid("host,-x2apic", false) == "host,-x2apic");
  CHECK_NOTHROW(check_cpuid_choice("kvm,-pdcm,-x2apic"));
  CHECK_THROWS_AS(check_cpuid_choice("kvm,-"), InputError);
  CHECK_THROWS_AS(check_cpuid_choice("-x2apic"), InputError);
}

namespace {

pmu::Caps caps_of(const CpuModel& model, const std::string& choice) {
  return model.rules->caps_from(guest_cpuid(choice, model, hv::kDefaultRelease, true).table,
                                model.perf_capabilities);
}

std::string error_of(const CpuModel& model, const std::string& choice) {
  return pmusim::test::refusal_of([&] { guest_cpuid(choice, model, hv::kDefaultRelease, true); });
}

bool has(const std::string& text, const std::string& part) {
  CAPTURE(text);
  CHECK(text.find(part) != std::string::npos);
  return text.find(part) != std::string::npos;
}

}  // namespace

// KVM offers version 2, at most 8 general and 3 fixed counters (arch/x86/kvm/cpuid.c, do_cpuid_func).
TEST_CASE("a guest is told of as many counters as the choice says, up to what KVM offers") {
  const CpuModel spr = models::load_model("spr");
  const pmu::Caps few = caps_of(spr, "kvm,gp=4,fixed=2,version=2,width=40");
  CHECK(few.version == 2);
  CHECK(few.gp_count == 4);
  CHECK(few.fixed_mask == 0x3);
  CHECK(few.gp_width == 40);
  CHECK(few.fixed_width == 40);
  for (const char* at : {"kvm,gp=7", "kvm,gp=8", "kvm,fixed=3", "kvm,version=1", "kvm,width=48", "kvm,gp=0"})
    CHECK(error_of(spr, at).empty());
  for (const char* above : {"kvm,gp=9", "kvm,fixed=4", "kvm,version=3", "kvm,width=49", "kvm,width=31"})
    has(error_of(spr, above),
        "expected at most version 2, gp 8, fixed 3 and width 32 to 48, as KVM's CPUID has");
  has(error_of(spr, "kvm,version=1,fixed=1"), "version 2 or later, which fixed counters need");
  has(error_of(spr, "kvm,gp=4,fixed=40"), "found 'gp=4,fixed=40', expected at most version 2");
  CHECK(caps_of(spr, "host,fixed=4").fixed_mask == 0xf);
  CHECK_FALSE(error_of(spr, "host,fixed=5").empty());
}

TEST_CASE("version 0 hides a guest's PMU") {
  const CpuModel spr = models::load_model("spr");
  CHECK(caps_of(spr, "kvm,version=0").version == 0);
  CHECK(guest_cpuid("kvm,version=0", spr, hv::kDefaultRelease, true).table.read(0xa, 0).eax == 0);
  has(error_of(spr, "kvm,version=0,gp=4"), "version 0 has none");
}

TEST_CASE("an AMD guest has four to six counters, four without PERFCTR_CORE") {
  const CpuModel zen4 = models::load_model("zen4");
  CHECK(caps_of(zen4, "kvm,gp=4").gp_count == 4);
  CHECK(caps_of(zen4, "kvm,gp=5").gp_count == 5);
  CHECK_FALSE(error_of(zen4, "kvm,gp=3").empty());
  CHECK_FALSE(error_of(zen4, "kvm,gp=7").empty());
  const pmu::Caps legacy = caps_of(zen4, "kvm,version=1,gp=4");
  CHECK(legacy.version == 1);
  CHECK(legacy.gp_count == 4);
  CHECK_FALSE(legacy.perfctr_core);
  CHECK_FALSE(error_of(zen4, "kvm,fixed=1").empty());
}

TEST_CASE("a change of the CPUID that is none is refused when the choice is read") {
  for (const char* wrong : {"kvm,pg=4", "kvm,gp=", "kvm,gp=4,gp=5", "kvm,gp=four", "kvm,gp=100"})
    CHECK_THROWS_AS(check_cpuid_choice(wrong), InputError);
  CHECK_NOTHROW(check_cpuid_choice("default,gp=4,-x2apic,fixed=0"));
}
