// SPDX-License-Identifier: Apache-2.0
// How often a test repeats itself. What sanitizers look for (memory that is not one's own, undefined
// arithmetic) is in the code that a program runs, and a second hundred of random programs runs the same code;
// that all of them are the same program either way is what the build without sanitizers shows, in full.
// Sanitizers cost a factor of several.
#pragma once

namespace pmusim::test {

#ifdef __SANITIZE_ADDRESS__
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

// Each kind of program, model and policy must occur among the few.
constexpr unsigned long long repeated(unsigned long long in_full, unsigned long long under_sanitizers) {
  return kSanitized ? under_sanitizers : in_full;
}

}  // namespace pmusim::test
