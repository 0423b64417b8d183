// SPDX-License-Identifier: Apache-2.0
// Names of kernel releases.
#include "hypervisor/vpmu/kernel_release.h"

#include <algorithm>

#include "base/error.h"

namespace pmusim::hv {
namespace {

constexpr const char* kReleases[] = {"6.12", "7.0", "7.2"};  // by KernelRelease
static_assert(sizeof kReleases / sizeof *kReleases == static_cast<unsigned>(KernelRelease::V7_2) + 1);

}  // namespace

const char* release_name(KernelRelease release) {
  return kReleases[static_cast<unsigned>(release)];
}

const std::vector<std::string>& release_names() {
  static const std::vector<std::string> names(std::begin(kReleases), std::end(kReleases));
  return names;
}

KernelRelease release_by_name(const std::string& name) {
  const std::vector<std::string>& names = release_names();
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) throw InputError("--kernel", "", "'" + name + "'", expected_one_of(name, names));
  return static_cast<KernelRelease>(found - names.begin());
}

}  // namespace pmusim::hv
