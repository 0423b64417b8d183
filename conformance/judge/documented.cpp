// SPDX-License-Identifier: Apache-2.0
// Divergences by vendor, kernel release and policy.
#include "conformance/judge/documented.h"

#include <algorithm>

namespace pmusim::conformance {

using session::RunPoint;

Setting setting_of(const RunPoint& point, const hv::Policy* policy, const session::Observation& seen) {
  Setting setting{point, policy, {}};
  setting.circumstances.facts = seen.facts;
  const std::string& release = point.implements.empty() ? point.kernel : point.as_release;
  if (policy && !release.empty()) setting.circumstances.release = hv::release_by_name(release);
  return setting;
}

std::string why_documented(const Divergence& divergence, const Setting& setting) {
  const RunPoint& point = setting.point;
  if (!divergence.vendor.empty() && divergence.vendor != point.vendor) return "";
  const std::vector<std::string>& kernels = divergence.kernels;
  const std::string& release = point.implements.empty() ? point.kernel : point.as_release;
  const bool any_release = !point.implements.empty() && release.empty();
  if (!any_release && !kernels.empty() && std::find(kernels.begin(), kernels.end(), release) == kernels.end())
    return "";
  return divergence.policies.why(setting.policy, setting.circumstances);
}

std::vector<Applying> applying_divergences(const Case& c, const Setting& setting) {
  std::vector<Applying> applying;
  for (std::size_t i = 0; i < c.divergences.size(); ++i)
    if (std::string why = why_documented(c.divergences[i], setting); !why.empty())
      applying.push_back({i, std::move(why)});
  return applying;
}

}  // namespace pmusim::conformance
