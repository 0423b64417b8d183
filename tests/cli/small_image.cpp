// SPDX-License-Identifier: Apache-2.0
// The bytes of such an image: ELF header, one segment, Multiboot header, code.
#include "tests/cli/small_image.h"

#include <cstring>
#include <fstream>

namespace pmusim::test {

std::string small_image(const std::string& folder, const std::string& name, const std::vector<u8>& code) {
  std::vector<u8> b(0x1000);
  const auto put = [&b](std::size_t at, u32 v, std::size_t size = 4) {
    std::memcpy(b.data() + at, &v, size);
  };
  const u8 ident[] = {0x7f, 'E', 'L', 'F', 1, 1, 1};
  std::memcpy(b.data(), ident, sizeof ident);
  put(16, 2, 2), put(18, 3, 2), put(20, 1), put(24, 0x100000), put(28, 52);
  put(40, 52, 2), put(42, 32, 2), put(44, 1, 2);
  put(52, 1), put(56, 0x1000), put(60, 0x100000), put(64, 0x100000);
  put(68, static_cast<u32>(code.size())), put(72, static_cast<u32>(code.size()));
  put(0xf00, 0x1badb002), put(0xf08, 0u - 0x1badb002);
  b.insert(b.end(), code.begin(), code.end());
  const std::string path = folder + "/" + name + ".elf";
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(b.data()), static_cast<long>(b.size()));
  return path;
}

}  // namespace pmusim::test
