// SPDX-License-Identifier: Apache-2.0
// The image loader: any file is an image that can be placed in memory, or an InputError.
#include <cstring>

#include "base/error.h"
#include "platform/image.h"
#include "platform/multiboot.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace pmusim;
  constexpr u64 kMemory = 64 << 20;
  try {
    const platform::Image image = platform::load_image(std::vector<u8>(data, data + size), "fuzz");
    core::CpuState entry;
    platform::place_image(
        image, {"fuzz", ""}, kMemory,
        [](u64 address, const void*, u64 bytes) {
          // A write that a machine with this memory has no place for.
          if (address > kMemory || bytes > kMemory - address) std::abort();
          return true;
        },
        entry);
  } catch (const InputError&) {
  }
  return 0;
}
