// SPDX-License-Identifier: Apache-2.0
// Names of kernel releases.
#include "hypervisor/vpmu/kernel_release.h"

#include <algorithm>

#include "base/enum_table.h"
#include "base/error.h"

namespace pmusim::hv {
namespace {

struct Release {
  KernelRelease release;
  const char* name;
};
constexpr Release kReleases[] = {
    {KernelRelease::V6_12, "6.12"},
    {KernelRelease::V7_0, "7.0"},
    {KernelRelease::V7_2, "7.2"},
};
static_assert(is_enum_table(kReleases, &Release::release));

}  // namespace

const char* release_name(KernelRelease release) {
  return kReleases[static_cast<unsigned>(release)].name;
}

const std::vector<std::string>& release_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> list;
    for (const Release& r : kReleases) list.push_back(r.name);
    return list;
  }();
  return names;
}

KernelRelease release_by_name(const std::string& name) {
  const std::vector<std::string>& names = release_names();
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) throw InputError("--kernel", "", "'" + name + "'", expected_one_of(name, names));
  return static_cast<KernelRelease>(found - names.begin());
}

}  // namespace pmusim::hv
