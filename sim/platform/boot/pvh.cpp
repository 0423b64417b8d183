// SPDX-License-Identifier: Apache-2.0
// PVH boot: hvm_start_info version 1 (Xen, "x86/HVM direct boot ABI" and start_info.h).
#include "platform/boot/boot_parts.h"

namespace pmusim::platform {
namespace {
constexpr u32 kMagic = 0x336ec578, kVersion = 1, kInfoSize = 56;
}

InfoBlock pvh_start_info(u32 base, const BootOptions& options, const std::vector<PlacedModule>& modules,
                         u64 memory, u64 rsdp) {
  InfoBlock block(base);
  block.bytes.resize(kInfoSize);
  block.put<u32>(0, kMagic);
  block.put<u32>(4, kVersion);
  block.put<u32>(12, static_cast<u32>(modules.size()));
  std::vector<u64> list;  // address, size, command line, reserved
  for (const PlacedModule& m : modules) {
    const u64 text = block.add_text(m.command_line);
    list.insert(list.end(), {m.address, m.size, text, 0});
  }
  if (!list.empty()) block.put<u64>(16, block.add(list.data(), list.size() * sizeof(u64)));
  block.put<u64>(24, block.add_text(options.command_line));
  block.put<u64>(32, rsdp);
  std::vector<u64> map;  // address, size, type and a reserved word
  const std::vector<MemoryRange> ranges = memory_ranges(memory);
  for (const MemoryRange& r : ranges) map.insert(map.end(), {r.base, r.size, r.type});
  block.put<u64>(40, block.add(map.data(), map.size() * sizeof(u64)));
  block.put<u32>(48, static_cast<u32>(ranges.size()));
  return block;
}

}  // namespace pmusim::platform
