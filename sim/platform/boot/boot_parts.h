// SPDX-License-Identifier: Apache-2.0
// What the boot protocols share: the memory map, free memory, and a block of structures that refer to each
// other by address. Private to boot*.cpp, multiboot.cpp, pvh.cpp and acpi_tables.cpp.
#pragma once

#include <cstring>
#include <string>
#include <vector>

#include "platform/boot/boot.h"

namespace pmusim::platform {

struct MemoryRange {
  u64 base, size;
  u32 type;  // as the ACPI "address range types": 1 memory, 2 reserved, 3 ACPI tables
};
std::vector<MemoryRange> memory_ranges(u64 memory);

// Structures laid out from a base address; what is added later lies behind.
class InfoBlock {
 public:
  explicit InfoBlock(u32 base) : base_(base) {}
  u32 add(const void* data, size_t size) {
    bytes.resize((bytes.size() + 15) & ~size_t{15});
    const u32 at = base_ + static_cast<u32>(bytes.size());
    const u8* p = static_cast<const u8*>(data);
    bytes.insert(bytes.end(), p, p + size);
    return at;
  }
  u32 add_text(const std::string& text) { return add(text.c_str(), text.size() + 1); }
  template <class T>
  void put(u32 offset, T value) {
    std::memcpy(bytes.data() + offset, &value, sizeof value);
  }

  std::vector<u8> bytes;

 private:
  u32 base_;
};

struct PlacedModule {
  u32 address, size;
  std::string command_line;
};

// The block that EBX points to.
InfoBlock multiboot_info(u32 base, const BootOptions& options, const std::vector<PlacedModule>& modules,
                         u64 memory);
InfoBlock pvh_start_info(u32 base, const BootOptions& options, const std::vector<PlacedModule>& modules,
                         u64 memory, u64 rsdp);

// ACPI tables for that many CPUs, to be placed at kAcpiTables with the RSDP first.
inline constexpr u32 kAcpiTables = 0xe0000, kAcpiTablesEnd = 0x100000;
std::vector<u8> acpi_tables(unsigned cpus);

}  // namespace pmusim::platform
