// SPDX-License-Identifier: Apache-2.0
// The case loader and compiler: any text is a case that compiles to an image, or an InputError.
#include "conformance/language/case.h"
#include "base/error.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace pmusim;
  try {
    const conformance::Case c =
        conformance::parse_case(std::string(reinterpret_cast<const char*>(data), size), "fuzz");
    conformance::compile_case(c);
  } catch (const InputError&) {
  }
  return 0;
}
