// SPDX-License-Identifier: Apache-2.0
// ELF files of both classes. Field offsets: System V ABI, "ELF Header", "Program Header", "Note Section". The
// PVH entry is Xen's note of type 18 (xen/include/public/elfnote.h, XEN_ELFNOTE_PHYS32_ENTRY).
#include <algorithm>

#include "platform/boot/image_reader.h"

namespace pmusim::platform {
namespace {

constexpr u32 kPtLoad = 1, kPtNote = 4, kPhys32Entry = 18;

// Where the fields of a class stand.
struct Layout {
  bool wide;
  u64 header_size, program_header_size;
  u64 entry, table, entry_size, count;                           // in the ELF header
  u64 offset, virtual_address, address, file_size, memory_size;  // in a program header
};
constexpr Layout kElf32{false, 52, 32, 24, 28, 42, 44, 4, 8, 12, 16, 20};
constexpr Layout kElf64{true, 64, 56, 24, 32, 54, 56, 8, 16, 24, 32, 40};

class Elf {
 public:
  Elf(const ImageReader& r, const Layout& layout) : r_(r), l_(layout) {}

  u64 word(u64 at, const char* what) const { return l_.wide ? r_.u64_at(at, what) : r_.u32_at(at, what); }

  void load(Image& image, std::optional<u32>& pvh_entry) const {
    const u64 table = word(l_.table, "e_phoff");
    const u16 size = r_.u16_at(l_.entry_size, "e_phentsize"), count = r_.u16_at(l_.count, "e_phnum");
    if (count == 0) r_.fail("ELF header", "no program headers", "at least one PT_LOAD segment");
    if (size < l_.program_header_size)
      r_.fail("e_phentsize", fmt::format("{}", size), fmt::format("{} or more", l_.program_header_size));
    r_.need(table, static_cast<u64>(size) * count, "program header table");
    // The entry is a virtual address; what runs without paging needs the physical one.
    const u64 entry = word(l_.entry, "ELF entry");
    u64 physical_entry = entry;
    for (unsigned i = 0; i < count; ++i) {
      const u64 at = table + static_cast<u64>(size) * i;
      const u32 type = r_.u32_at(at, "segment type");
      if (type == kPtLoad) load_segment(at, i, entry, physical_entry, image);
      if (type == kPtNote) read_notes(at, i, pvh_entry);
    }
    if (image.segments.empty()) r_.fail("program headers", "no PT_LOAD segment", "at least one");
    if (physical_entry >> 32) r_.fail("ELF entry", fmt::format("{:#x}", entry), "an address below 4 GiB");
    image.entry = static_cast<u32>(physical_entry);
  }

 private:
  void load_segment(u64 at, unsigned index, u64 entry, u64& physical_entry, Image& image) const {
    const std::string place = fmt::format("program header {}", index);
    const u64 offset = word(at + l_.offset, "p_offset"), address = word(at + l_.address, "p_paddr");
    const u64 file_size = word(at + l_.file_size, "p_filesz"),
              memory_size = word(at + l_.memory_size, "p_memsz");
    if (memory_size == 0 && file_size == 0) return;
    if (file_size > memory_size)
      r_.fail(place, fmt::format("{:#x} bytes in the file", file_size),
              fmt::format("at most its size in memory, {:#x}", memory_size));
    r_.need(offset, file_size, place + " data");
    constexpr u64 k4G = u64{1} << 32;
    if (address >= k4G || memory_size > k4G - address || memory_size >= k4G)
      r_.fail(place, fmt::format("address {:#x} with size {:#x}", address, memory_size),
              "an end below 4 GiB");
    const u64 linked = word(at + l_.virtual_address, "p_vaddr");
    if (entry >= linked && entry - linked < memory_size) physical_entry = entry - linked + address;
    Segment s;
    s.address = static_cast<u32>(address);
    s.size = static_cast<u32>(memory_size);
    s.data.assign(r_.bytes().begin() + static_cast<std::ptrdiff_t>(offset),
                  r_.bytes().begin() + static_cast<std::ptrdiff_t>(offset + file_size));
    image.segments.push_back(std::move(s));
  }

  void read_notes(u64 header, unsigned index, std::optional<u32>& pvh_entry) const {
    const std::string place = fmt::format("program header {} notes", index);
    u64 at = word(header + l_.offset, "p_offset");
    u64 left = word(header + l_.file_size, "p_filesz");
    r_.need(at, left, place);
    while (left >= 12) {
      const u64 name_size = r_.u32_at(at, "note"), size = r_.u32_at(at + 4, "note");
      const u32 type = r_.u32_at(at + 8, "note");
      const u64 name = at + 12, data = name + ((name_size + 3) & ~u64{3});
      const u64 total = data - at + ((size + 3) & ~u64{3});
      if (total > left) return;  // padding, or notes of another making
      if (type == kPhys32Entry && name_size == 4 && std::memcmp(&r_.bytes()[name], "Xen", 4) == 0) {
        if (size != 4 && size != 8)
          r_.fail(place, fmt::format("{} bytes of a PVH entry", size), "4 or 8 bytes");
        const u64 entry = size == 8 ? r_.u64_at(data, "PVH entry") : r_.u32_at(data, "PVH entry");
        if (entry >> 32) r_.fail(place, fmt::format("PVH entry {:#x}", entry), "an address below 4 GiB");
        pvh_entry = static_cast<u32>(entry);
      }
      at += total;
      left -= total;
    }
  }

  const ImageReader& r_;
  const Layout& l_;
};

}  // namespace

bool is_elf(const ImageReader& r) {
  return r.size() >= 4 && std::memcmp(r.bytes().data(), "\177ELF", 4) == 0;
}

bool load_elf(const ImageReader& r, Image& image, std::optional<u32>& pvh_entry) {
  r.need(0, kElf32.header_size, "ELF header");
  const std::vector<u8>& bytes = r.bytes();
  if (bytes[4] != 1 && bytes[4] != 2)
    r.fail("ELF class", fmt::format("{}", bytes[4]), "1 (32 bit) or 2 (64 bit)");
  const bool wide = bytes[4] == 2;
  const Layout& layout = wide ? kElf64 : kElf32;
  r.need(0, layout.header_size, "ELF header");
  if (bytes[5] != 1) r.fail("ELF data encoding", fmt::format("{}", bytes[5]), "1 (little-endian)");
  if (bytes[6] != 1) r.fail("ELF version", fmt::format("{}", bytes[6]), "1");
  const u16 type = r.u16_at(16, "ELF type"), machine = r.u16_at(18, "ELF machine");
  if (type != 2)
    r.fail("ELF type", fmt::format("{}{}", type, type == 3 ? " (position-independent)" : ""),
           std::string("2 (executable)") + kGuestRecipe);
  if (machine != (wide ? 62 : 3))
    r.fail("ELF machine", fmt::format("{}", machine),
           wide ? "62 (x86-64)" : "3 (i386; a 64-bit program in a 32-bit container, too)");
  Elf(r, layout).load(image, pvh_entry);
  return wide;
}

}  // namespace pmusim::platform
