// SPDX-License-Identifier: Apache-2.0
// Bounds-checked access to an image file, and located errors. Private to image*.cpp.
#pragma once

#include <fmt/format.h>

#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "platform/boot/image.h"

namespace pmusim::platform {

class ImageReader {
 public:
  ImageReader(const std::vector<u8>& bytes, const std::string& name) : bytes_(bytes), name_(name) {}

  const std::vector<u8>& bytes() const { return bytes_; }
  u64 size() const { return bytes_.size(); }
  u16 u16_at(u64 at, const char* what) const { return get<u16>(at, what); }
  u32 u32_at(u64 at, const char* what) const { return get<u32>(at, what); }
  u64 u64_at(u64 at, const char* what) const { return get<u64>(at, what); }

  void need(u64 at, u64 count, const std::string& what) const {
    if (at > size() || count > size() - at)
      fail(fmt::format("{} at offset {:#x}", what, at), fmt::format("the file's end at {:#x}", size()),
           fmt::format("{} bytes", count));
  }
  [[noreturn]] void fail(const std::string& place, const std::string& found,
                         const std::string& expected) const {
    throw InputError(name_, place, found, expected);
  }

 private:
  template <class T>
  T get(u64 at, const char* what) const {
    need(at, sizeof(T), what);
    T value;
    std::memcpy(&value, bytes_.data() + at, sizeof value);
    return value;
  }
  const std::vector<u8>& bytes_;
  const std::string& name_;
};

inline constexpr const char* kGuestRecipe =
    "; CONTRIBUTING.md, 'A guest program of your own', has the compiler's options";

// A Multiboot header: where to load, if it says so itself.
struct MultibootHeader {
  struct Addresses {
    u32 header, load, load_end, bss_end, entry;
  };
  u64 offset;  // in the file
  std::optional<Addresses> addresses;
};
std::optional<MultibootHeader> find_multiboot_header(const ImageReader& r);
void load_by_addresses(const ImageReader& r, const MultibootHeader& header, Image& image);

// Segments of an ELF file, its entry, and the PVH entry if it has one.
bool is_elf(const ImageReader& r);
bool load_elf(const ImageReader& r, Image& image, std::optional<u32>& pvh_entry);  // true: 64 bit

}  // namespace pmusim::platform
