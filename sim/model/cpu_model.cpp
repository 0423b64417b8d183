// SPDX-License-Identifier: Apache-2.0
// Names of a model's values.
#include "model/cpu_model.h"

#include <algorithm>

namespace pmusim {

std::string AssumedValue::set_name() const {
  std::string name = "model" + path;
  std::replace(name.begin(), name.end(), '/', '.');
  return name;
}

}  // namespace pmusim
