// SPDX-License-Identifier: Apache-2.0
// The message of an input that is refused.
#pragma once

#include <string>

#include "base/error.h"

namespace pmusim::test {

// "" if nothing is.
template <class Work>
std::string refusal_of(Work&& work) {
  try {
    work();
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

}  // namespace pmusim::test
