// SPDX-License-Identifier: Apache-2.0
// Names of kernel releases.
#include "hypervisor/vpmu/kernel_release.h"

#include "base/error.h"

namespace pmusim::hv {

const char* release_name(KernelRelease release) {
  switch (release) {
    case KernelRelease::V6_12:
      return "6.12";
    case KernelRelease::V7_0:
      return "7.0";
    case KernelRelease::V7_2:
      break;
  }
  return "7.2";
}

KernelRelease release_by_name(const std::string& name) {
  for (const KernelRelease release : {KernelRelease::V6_12, KernelRelease::V7_0, KernelRelease::V7_2})
    if (name == release_name(release)) return release;
  throw InputError("--kernel", "", "'" + name + "'", expected_one_of(name, {"6.12", "7.0", "7.2"}));
}

}  // namespace pmusim::hv
