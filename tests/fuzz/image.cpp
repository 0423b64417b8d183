// SPDX-License-Identifier: Apache-2.0
// The image loaders: any file is an image that can be placed in memory, or an InputError.
#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "platform/boot/boot.h"
#include "platform/boot/image.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace pmusim;
  static constexpr u64 kMemory = 64 << 20;
  const std::vector<u8> bytes(data, data + size);
  const auto place = [&](const platform::Image& image) {
    core::CpuState entry;
    platform::place_image(
        image, {"fuzz", {{"module", "text"}}, 2}, kMemory,
        [](u64 at, const void*, u64 count) {
          // A write that a machine with this memory has no place for.
          if (at > kMemory || count > kMemory - at) std::abort();
          return true;
        },
        entry);
  };
  try {
    place(platform::load_image(bytes, "fuzz"));
  } catch (const InputError&) {
  }
  // As a flat binary, at an address that the input chooses.
  u64 address = 0;
  std::memcpy(&address, data, std::min(size, sizeof address));
  for (const auto protocol : {platform::BootProtocol::Flat, platform::BootProtocol::RealMode}) try {
      place(platform::load_flat(bytes, "fuzz", address >> (address & 63), protocol));
    } catch (const InputError&) {
    }
  return 0;
}
