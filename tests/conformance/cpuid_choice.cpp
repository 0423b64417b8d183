// SPDX-License-Identifier: Apache-2.0
// CPUID choices that leave features out. Bits: SDM Vol. 2, CPUID, leaf 1 (x2APIC ECX[21], TSC-deadline
// ECX[24]).
#include <doctest/doctest.h>

#include "base/bits.h"
#include "base/error.h"
#include "hypervisor/vpmu/kernel_release.h"
#include "models/models.h"
#include "session/cpuid_choice.h"

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
