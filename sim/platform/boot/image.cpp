// SPDX-License-Identifier: Apache-2.0
// Which kind of image a file is, and what holds for every kind.
#include "platform/boot/image.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <system_error>

#include "platform/boot/image_reader.h"

namespace pmusim::platform {
namespace {

constexpr u64 kMaxFile = u64{1} << 30, kRealModeEnd = 0x100000;
constexpr const char* kReadable = "a readable file";

void check(const ImageReader& r, Image& image) {
  std::sort(image.segments.begin(), image.segments.end(),
            [](const Segment& a, const Segment& b) { return a.address < b.address; });
  for (size_t i = 1; i < image.segments.size(); ++i) {
    const Segment &a = image.segments[i - 1], &b = image.segments[i];
    if (static_cast<u64>(a.address) + a.size > b.address)
      r.fail("program headers",
             fmt::format("segments {:#x}..{:#x} and {:#x}.. overlap", a.address,
                         static_cast<u64>(a.address) + a.size, b.address),
             "segments that do not overlap");
  }
  const bool inside = std::any_of(image.segments.begin(), image.segments.end(), [&](const Segment& s) {
    return image.entry >= s.address && image.entry - s.address < s.size;
  });
  if (!inside)
    r.fail(image.protocol == BootProtocol::Pvh ? "PVH entry" : "ELF entry", fmt::format("{:#x}", image.entry),
           "an address inside a PT_LOAD segment");
}

}  // namespace

Image load_image(const std::vector<u8>& bytes, const std::string& name) {
  const ImageReader r(bytes, name);
  if (bytes.empty()) r.fail("offset 0", "an empty file", "a bootable image");
  Image image;
  image.name = name;
  const auto multiboot = find_multiboot_header(r);
  if (multiboot && multiboot->addresses) {
    load_by_addresses(r, *multiboot, image);
    return image;
  }
  if (!is_elf(r))
    r.fail("offset 0", "neither ELF (7f 45 4c 46) nor a multiboot header with address fields",
           "a bootable image; a flat binary needs its load address");
  std::optional<u32> pvh_entry;
  const bool wide = load_elf(r, image, pvh_entry);
  if (pvh_entry && (wide || !multiboot)) {
    image.protocol = BootProtocol::Pvh;
    image.entry = *pvh_entry;
  } else if (!multiboot) {
    r.fail("the first 8192 bytes", "no multiboot header, and no PVH entry note in the file",
           std::string("the magic 0x1badb002, or a note of type 18 by 'Xen'") + kGuestRecipe);
  }
  check(r, image);
  return image;
}

Image load_flat(const std::vector<u8>& bytes, const std::string& name, u64 address, BootProtocol protocol) {
  const ImageReader r(bytes, name);
  if (bytes.empty()) r.fail("offset 0", "an empty file", "at least one byte of code");
  if (is_elf(r))
    r.fail("offset 0", "an ELF file",
           "a flat binary; an ELF file says itself where it is loaded, so no load address");
  const u64 limit = protocol == BootProtocol::RealMode ? kRealModeEnd : u64{1} << 32;
  if (address >= limit || bytes.size() > limit - address)
    r.fail("load address", fmt::format("{:#x} with {:#x} bytes", address, bytes.size()),
           protocol == BootProtocol::RealMode ? "an end within the first MiB, where real mode reaches"
                                              : "an end below 4 GiB");
  Image image;
  image.name = name;
  image.protocol = protocol;
  image.entry = static_cast<u32>(address);
  image.segments.push_back({static_cast<u32>(address), static_cast<u32>(bytes.size()), bytes});
  return image;
}

std::vector<u8> read_image_file(const std::string& path) {
  // Devices and pipes may have no end, or not begin; a folder is told by the system's own reason.
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  if (std::filesystem::is_other(status))
    throw InputError(path, "", "a device, pipe or socket", "a regular file");
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  if (!file) throw InputError(path, "", errno == ENOENT ? "no such file" : std::strerror(errno), kReadable);
  std::vector<u8> bytes;
  u8 chunk[65536];
  for (size_t n; (n = std::fread(chunk, 1, sizeof chunk, file.get())) > 0;) {
    bytes.insert(bytes.end(), chunk, chunk + n);
    if (bytes.size() > kMaxFile) throw InputError(path, "", "more than 1 GiB", "an image");
  }
  if (std::ferror(file.get())) throw InputError(path, "", std::strerror(errno), kReadable);
  return bytes;
}

Image load_image(const std::string& path) {
  return load_image(read_image_file(path), path);
}
Image load_flat(const std::string& path, u64 address, BootProtocol protocol) {
  return load_flat(read_image_file(path), path, address, protocol);
}

}  // namespace pmusim::platform
