// SPDX-License-Identifier: Apache-2.0
// For tests that two ways of running a guest are one: the same events to the cycle, in the same order. How
// many programs, and from which seed on, the environment may say (docs/validation.md).
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "base/event.h"

namespace pmusim::platform::test {

struct Seeds {
  u64 first, count;
};
// From PMUSIM_IDENTITY_SEED on (1), PMUSIM_IDENTITY_PROGRAMS of each model (as many as usual).
inline Seeds identity_seeds(u64 usual) {
  const auto setting = [](const char* name, u64 otherwise) {
    const char* text = std::getenv(name);
    return text ? std::strtoull(text, nullptr, 10) : otherwise;
  };
  return {setting("PMUSIM_IDENTITY_SEED", 1), setting("PMUSIM_IDENTITY_PROGRAMS", usual)};
}

inline void check_same_events(const std::vector<Event>& a, const std::vector<Event>& b) {
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    const Event &x = a[i], &y = b[i];
    CAPTURE(i);
    CAPTURE(int(x.kind));
    CAPTURE(int(y.kind));
    CAPTURE(x.a);
    CAPTURE(y.a);
    REQUIRE(x.cycle == y.cycle);
    REQUIRE((x.kind == y.kind && x.cpu == y.cpu && x.vcpu == y.vcpu && x.a == y.a && x.b == y.b &&
             x.tsc == y.tsc && x.write == y.write && x.fault == y.fault && x.text == y.text));
  }
  CHECK(b.size() == a.size());
}

}  // namespace pmusim::platform::test
