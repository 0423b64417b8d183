// SPDX-License-Identifier: Apache-2.0
// Multiboot Specification 0.6.96, 3.2 (machine state) and 3.3 (information structure). The structure, the
// memory map, the command line and the module stand in one block at the lowest free page from 4 KiB on: page
// 0 stays free for start-up code of the other CPUs.
#include "platform/multiboot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/error.h"

namespace pmusim::platform {
namespace {

constexpr u64 kConventionalEnd = 0x9fc00, kUpperStart = 0x100000;
constexpr u32 kInfoMemory = 1 << 0, kInfoCommandLine = 1 << 2, kInfoModules = 1 << 3, kInfoMemoryMap = 1 << 6;
constexpr u32 kInfoSize = 120, kMapEntry = 24, kModuleEntry = 16;

u64 page_up(u64 address) {
  return (address + 4095) & ~u64{4095};
}

class Block {
 public:
  explicit Block(u32 base) : base_(base) {}
  u32 add(const void* data, size_t size) {
    bytes.resize((bytes.size() + 15) & ~size_t{15});
    const u32 at = base_ + static_cast<u32>(bytes.size());
    const u8* p = static_cast<const u8*>(data);
    bytes.insert(bytes.end(), p, p + size);
    return at;
  }
  u32 add_text(const std::string& text) { return add(text.c_str(), text.size() + 1); }
  void put(u32 offset, u32 value) { std::memcpy(bytes.data() + offset, &value, 4); }

  std::vector<u8> bytes;

 private:
  u32 base_;
};

std::vector<u8> memory_map(u64 memory) {
  std::vector<u8> map;
  auto entry = [&](u64 base, u64 length) {
    const u32 size = 20, type = 1;
    u8 e[kMapEntry];
    std::memcpy(e, &size, 4);
    std::memcpy(e + 4, &base, 8);
    std::memcpy(e + 12, &length, 8);
    std::memcpy(e + 20, &type, 4);
    map.insert(map.end(), e, e + kMapEntry);
  };
  entry(0, std::min(memory, kConventionalEnd));
  if (memory > kUpperStart) entry(kUpperStart, std::min(memory, kLowMemoryEnd) - kUpperStart);
  if (memory > kLowMemoryEnd) entry(u64{1} << 32, memory - kLowMemoryEnd);
  return map;
}

Block build_info(u32 base, const BootOptions& options, u64 memory) {
  Block block(base);
  block.bytes.resize(kInfoSize);
  const u64 upper = memory > kUpperStart ? std::min(memory, kLowMemoryEnd) - kUpperStart : 0;
  block.put(4, static_cast<u32>(std::min(memory, kConventionalEnd) / 1024));
  block.put(8, static_cast<u32>(upper / 1024));
  const u32 flags = kInfoMemory | kInfoCommandLine | kInfoModules | kInfoMemoryMap;
  const u32 command_line = block.add_text(options.command_line);
  block.put(16, command_line);
  if (!options.module.empty()) {
    const u32 text = block.add_text(options.module);
    const u32 name = block.add_text("environment");
    const u32 module[4] = {text, text + static_cast<u32>(options.module.size()), name, 0};
    const u32 at = block.add(module, kModuleEntry);
    block.put(20, 1);
    block.put(24, at);
  }
  const std::vector<u8> map = memory_map(memory);
  const u32 map_at = block.add(map.data(), map.size());
  block.put(44, static_cast<u32>(map.size()));
  block.put(48, map_at);
  block.put(0, flags);
  return block;
}

u32 find_free(const Image& image, u64 size, u64 memory) {
  u64 at = 0x1000;
  for (const Segment& s : image.segments) {  // by address
    const u64 end = static_cast<u64>(s.address) + s.size;
    if (at + size > s.address && at < end) at = page_up(end);
  }
  if (at + size > std::min(memory, kLowMemoryEnd))
    throw InputError(image.name, "multiboot information", fmt::format("no free {} bytes of memory", size),
                     "room below, between or above the image's segments");
  return static_cast<u32>(at);
}

}  // namespace

void place_image(const Image& image, const BootOptions& options, u64 memory, const MemoryWriter& write,
                 core::CpuState& entry) {
  for (const Segment& s : image.segments) {
    const u64 end = static_cast<u64>(s.address) + s.size;
    if (end > std::min(memory, kLowMemoryEnd))
      throw InputError(
          image.name, fmt::format("segment at {:#x}", s.address), fmt::format("end {:#x}", end),
          fmt::format("an end within the machine's memory ({:#x})", std::min(memory, kLowMemoryEnd)));
  }
  const u64 size = build_info(0, options, memory).bytes.size();
  const u32 at = find_free(image, size, memory);
  const Block info = build_info(at, options, memory);

  bool ok = write(at, info.bytes.data(), info.bytes.size());
  for (const Segment& s : image.segments) ok = ok && write(s.address, s.data.data(), s.data.size());
  if (!ok) throw std::logic_error("image placed outside the memory it was checked against");

  core::reset(entry);
  entry.fpu = {};  // firmware has executed FNINIT
  entry.cr0 = core::kCr0Pe | core::kCr0Et;
  entry.rflags = core::kFixed1;
  entry.rip = image.entry;
  entry.gpr[core::RAX] = 0x2badb002;
  entry.gpr[core::RBX] = at;
  for (core::Segment& s : entry.seg) s = {0, 0xffffffff, 0xc093, 0x10};
  entry.seg[core::CS] = {0, 0xffffffff, 0xc09b, 0x08};
  entry.activity = core::Activity::Running;
  entry.cpl = 0;
}

}  // namespace pmusim::platform
