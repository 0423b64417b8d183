// SPDX-License-Identifier: Apache-2.0
// Multiboot Specification 0.6.96, 3.3 (information structure): memory sizes, command line, modules, memory
// map, boot loader's name.
#include "platform/boot/boot_parts.h"

namespace pmusim::platform {
namespace {

constexpr u32 kMemory = 1 << 0, kCommandLine = 1 << 2, kModules = 1 << 3, kMemoryMap = 1 << 6,
              kLoaderName = 1 << 9;
constexpr u32 kInfoSize = 120, kMapEntry = 24;

std::vector<u8> memory_map(u64 memory) {
  std::vector<u8> map;
  for (const MemoryRange& range : memory_ranges(memory)) {
    const u32 size = kMapEntry - 4;
    u8 e[kMapEntry];
    std::memcpy(e, &size, 4);
    std::memcpy(e + 4, &range.base, 8);
    std::memcpy(e + 12, &range.size, 8);
    std::memcpy(e + 20, &range.type, 4);
    map.insert(map.end(), e, e + kMapEntry);
  }
  return map;
}

}  // namespace

InfoBlock multiboot_info(u32 base, const BootOptions& options, const std::vector<PlacedModule>& modules,
                         u64 memory) {
  InfoBlock block(base);
  block.bytes.resize(kInfoSize);
  u64 lower = 0, upper = 0;  // KiB from 0, and from 1 MiB to the first hole
  for (const MemoryRange& r : memory_ranges(memory)) {
    if (r.base == 0) lower = r.size / 1024;
    if (r.base == 0x100000) upper = r.size / 1024;
  }
  block.put<u32>(4, static_cast<u32>(lower));
  block.put<u32>(8, static_cast<u32>(upper));
  block.put<u32>(16, block.add_text(options.command_line));
  std::vector<u32> table;
  for (const PlacedModule& m : modules) {
    const u32 name = block.add_text(m.command_line);
    table.insert(table.end(), {m.address, m.address + m.size, name, 0});
  }
  const u32 modules_at = block.add(table.data(), table.size() * sizeof(u32));
  block.put<u32>(20, static_cast<u32>(modules.size()));
  block.put<u32>(24, modules_at);
  const std::vector<u8> map = memory_map(memory);
  const u32 map_at = block.add(map.data(), map.size());
  block.put<u32>(44, static_cast<u32>(map.size()));
  block.put<u32>(48, map_at);
  block.put<u32>(64, block.add_text("pmusim"));
  block.put<u32>(0, kMemory | kCommandLine | kModules | kMemoryMap | kLoaderName);
  return block;
}

}  // namespace pmusim::platform
