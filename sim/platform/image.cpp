// SPDX-License-Identifier: Apache-2.0
// Multiboot 1 ELF32 reader. Field offsets: System V ABI, "ELF Header", "Program Header"; Multiboot
// Specification 0.6.96, 3.1 (header within the first 8192 bytes, 4-byte aligned).
#include "platform/image.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "base/error.h"

namespace pmusim::platform {
namespace {

constexpr u64 kMaxFile = u64{1} << 30;
constexpr u32 kPtLoad = 1;
constexpr u32 kMultibootMagic = 0x1badb002;

class Reader {
 public:
  Reader(const std::vector<u8>& bytes, const std::string& name) : bytes_(bytes), name_(name) {}

  u64 size() const { return bytes_.size(); }
  u16 u16_at(u64 at, const char* what) const { return get<u16>(at, what); }
  u32 u32_at(u64 at, const char* what) const { return get<u32>(at, what); }

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

u32 find_multiboot_flags(const Reader& r) {
  const u64 end = std::min<u64>(r.size(), 8192);
  for (u64 at = 0; at + 12 <= end; at += 4) {
    if (r.u32_at(at, "multiboot header") != kMultibootMagic) continue;
    const u32 flags = r.u32_at(at + 4, "multiboot flags");
    const std::string place = fmt::format("multiboot header at offset {:#x}", at);
    if (kMultibootMagic + flags + r.u32_at(at + 8, "multiboot checksum") != 0)
      r.fail(
          place, fmt::format("checksum {:#x}", r.u32_at(at + 8, "multiboot checksum")),
          fmt::format("{:#x}, so that magic, flags and checksum add up to 0", 0u - kMultibootMagic - flags));
    if (flags & 0xfffc)
      r.fail(place, fmt::format("required features {:#x}", flags & 0xffff),
             "only bits 0 (page-aligned modules) and 1 (memory information)");
    if (flags & 0x10000)
      r.fail(place, "flag bit 16 (address fields)", "an ELF file whose headers say where to load");
    return flags;
  }
  r.fail("the first 8192 bytes", "no multiboot header", fmt::format("the magic {:#x}", kMultibootMagic));
}

void check_header(const Reader& r, const std::vector<u8>& bytes) {
  r.need(0, 52, "ELF header");
  if (std::memcmp(bytes.data(), "\177ELF", 4) != 0)
    r.fail("offset 0", fmt::format("{:02x} {:02x} {:02x} {:02x}", bytes[0], bytes[1], bytes[2], bytes[3]),
           "an ELF file (7f 45 4c 46)");
  if (bytes[4] != 1)
    r.fail("ELF class", bytes[4] == 2 ? "64 bit" : fmt::format("{}", bytes[4]),
           "a 32-bit ELF file (a 64-bit program goes into a 32-bit container: objcopy -O elf32-i386)");
  if (bytes[5] != 1) r.fail("ELF data encoding", fmt::format("{}", bytes[5]), "1 (little-endian)");
  if (bytes[6] != 1) r.fail("ELF version", fmt::format("{}", bytes[6]), "1");
  if (r.u16_at(16, "ELF type") != 2)
    r.fail("ELF type", fmt::format("{}", r.u16_at(16, "")), "2 (executable)");
  if (r.u16_at(18, "ELF machine") != 3)
    r.fail("ELF machine", fmt::format("{}", r.u16_at(18, "")), "3 (i386)");
}

void read_segment(const Reader& r, const std::vector<u8>& bytes, u64 at, unsigned index, Image& image) {
  const std::string place = fmt::format("program header {}", index);
  if (r.u32_at(at, "segment type") != kPtLoad) return;
  const u32 offset = r.u32_at(at + 4, "p_offset"), address = r.u32_at(at + 12, "p_paddr");
  const u32 file_size = r.u32_at(at + 16, "p_filesz"), memory_size = r.u32_at(at + 20, "p_memsz");
  if (memory_size == 0 && file_size == 0) return;
  if (file_size > memory_size)
    r.fail(place, fmt::format("{:#x} bytes in the file", file_size),
           fmt::format("at most its size in memory, {:#x}", memory_size));
  r.need(offset, file_size, place + " data");
  if (static_cast<u64>(address) + memory_size > (u64{1} << 32))
    r.fail(place, fmt::format("address {:#x} with size {:#x}", address, memory_size), "an end below 4 GiB");
  Segment s;
  s.address = address;
  s.size = memory_size;
  s.data.assign(bytes.begin() + offset, bytes.begin() + offset + file_size);
  image.segments.push_back(std::move(s));
}

}  // namespace

Image load_image(const std::vector<u8>& bytes, const std::string& name) {
  const Reader r(bytes, name);
  check_header(r, bytes);
  Image image;
  image.name = name;
  image.entry = r.u32_at(24, "ELF entry");
  const u32 table = r.u32_at(28, "e_phoff");
  const u16 entry_size = r.u16_at(42, "e_phentsize"), count = r.u16_at(44, "e_phnum");
  if (count == 0) r.fail("ELF header", "no program headers", "at least one PT_LOAD segment");
  if (entry_size < 32) r.fail("e_phentsize", fmt::format("{}", entry_size), "32 or more");
  r.need(table, static_cast<u64>(entry_size) * count, "program header table");
  for (unsigned i = 0; i < count; ++i)
    read_segment(r, bytes, table + static_cast<u64>(entry_size) * i, i, image);
  if (image.segments.empty()) r.fail("program headers", "no PT_LOAD segment", "at least one");

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
  const bool entry_inside = std::any_of(image.segments.begin(), image.segments.end(), [&](const Segment& s) {
    return image.entry >= s.address && image.entry - s.address < s.size;
  });
  if (!entry_inside)
    r.fail("ELF entry", fmt::format("{:#x}", image.entry), "an address inside a PT_LOAD segment");
  image.multiboot_flags = find_multiboot_flags(r);
  return image;
}

Image load_image(const std::string& path) {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  if (!file) throw InputError(path, "", std::strerror(errno), "a readable multiboot ELF32 image");
  std::vector<u8> bytes;
  u8 chunk[65536];
  for (size_t n; (n = std::fread(chunk, 1, sizeof chunk, file.get())) > 0;) {
    bytes.insert(bytes.end(), chunk, chunk + n);
    if (bytes.size() > kMaxFile) throw InputError(path, "", "more than 1 GiB", "a multiboot ELF32 image");
  }
  if (std::ferror(file.get()))
    throw InputError(path, "", std::strerror(errno), "a readable multiboot ELF32 image");
  return load_image(bytes, path);
}

}  // namespace pmusim::platform
