// SPDX-License-Identifier: Apache-2.0
// The reader of guests' records: any serial text is a report, or an InputError.
#include "conformance/judge/records.h"
#include "base/error.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  try {
    pmusim::conformance::parse_records(std::string(reinterpret_cast<const char*>(data), size), "fuzz");
  } catch (const pmusim::InputError&) {
  }
  return 0;
}
