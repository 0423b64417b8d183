// SPDX-License-Identifier: Apache-2.0
// The JSON loader: any text is a document or an InputError, and a document's values can be placed.
#include "base/json.h"

namespace {

void walk(const pmusim::JsonView& value) {
  (void)value.place();
  if (value.is_object())
    for (const std::string& key : value.keys()) walk(value.at(key));
  else if (value.is_array())
    for (const pmusim::JsonView& item : value.items()) walk(item);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  try {
    walk(pmusim::parse_json(std::string(reinterpret_cast<const char*>(data), size), "fuzz").root());
  } catch (const pmusim::InputError&) {
  }
  return 0;
}
