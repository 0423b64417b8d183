// SPDX-License-Identifier: Apache-2.0
// Multiboot Specification 0.6.96, 3.1: the header within the first 8192 bytes, 4-byte aligned, and its
// address fields.
#include <algorithm>

#include "platform/boot/image_reader.h"

namespace pmusim::platform {
namespace {
constexpr u32 kMagic = 0x1badb002;
constexpr u32 kAddressFields = 1 << 16;
}  // namespace

std::optional<MultibootHeader> find_multiboot_header(const ImageReader& r) {
  const u64 end = std::min<u64>(r.size(), 8192);
  for (u64 at = 0; at + 12 <= end; at += 4) {
    if (r.u32_at(at, "multiboot header") != kMagic) continue;
    const u32 flags = r.u32_at(at + 4, "multiboot flags");
    const std::string place = fmt::format("multiboot header at offset {:#x}", at);
    if (kMagic + flags + r.u32_at(at + 8, "multiboot checksum") != 0)
      r.fail(place, fmt::format("checksum {:#x}", r.u32_at(at + 8, "multiboot checksum")),
             fmt::format("{:#x}, so that magic, flags and checksum add up to 0", 0u - kMagic - flags));
    if (flags & 0xfffc)
      r.fail(place, fmt::format("required features {:#x}", flags & 0xffff),
             "only bits 0 (page-aligned modules) and 1 (memory information)");
    MultibootHeader header{at, {}};
    if (flags & kAddressFields) {
      const auto field = [&](u64 n) { return r.u32_at(at + 12 + 4 * n, "multiboot address fields"); };
      header.addresses = {field(0), field(1), field(2), field(3), field(4)};
    }
    return header;
  }
  return {};
}

void load_by_addresses(const ImageReader& r, const MultibootHeader& header, Image& image) {
  const MultibootHeader::Addresses& a = *header.addresses;
  const std::string place = fmt::format("multiboot header at offset {:#x}", header.offset);
  if (a.load > a.header || a.header - a.load > header.offset)
    r.fail(place, fmt::format("load address {:#x} with the header at {:#x}", a.load, a.header),
           "a load address that is the header's address less at most its offset in the file");
  const u64 from = header.offset - (a.header - a.load);
  const u64 size = a.load_end ? static_cast<u64>(a.load_end) - a.load : r.size() - from;
  if ((a.load_end && a.load_end < a.load) || size > r.size() - from)
    r.fail(place, fmt::format("load end {:#x}", a.load_end),
           fmt::format("0, or at most {:#x}", a.load + (r.size() - from)));
  const u64 end = std::max<u64>(a.bss_end, a.load + size);
  if ((a.bss_end && a.bss_end < a.load + size) || end > u64{1} << 32)
    r.fail(place, fmt::format("BSS end {:#x}", a.bss_end),
           fmt::format("0, or {:#x} and more below 4 GiB", a.load + size));
  if (a.entry < a.load || a.entry >= end)
    r.fail(place, fmt::format("entry {:#x}", a.entry), fmt::format("{:#x} to {:#x}", a.load, end));
  Segment s;
  s.address = a.load;
  s.size = static_cast<u32>(end - a.load);
  s.data.assign(r.bytes().begin() + static_cast<std::ptrdiff_t>(from),
                r.bytes().begin() + static_cast<std::ptrdiff_t>(from + size));
  image.segments.push_back(std::move(s));
  image.entry = a.entry;
}

}  // namespace pmusim::platform
