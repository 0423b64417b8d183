// SPDX-License-Identifier: Apache-2.0
// Placement of segments, modules, information and ACPI tables, and the state at the entry.
#include "platform/boot/boot.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "base/error.h"
#include "platform/boot/boot_parts.h"

namespace pmusim::platform {
namespace {

constexpr u64 kConventionalEnd = 0x9fc00, kUpperStart = 0x100000, kPage = 4096;

u64 page_up(u64 address) {
  return (address + kPage - 1) & ~(kPage - 1);
}

// Memory that nothing occupies yet; the lowest place that fits is taken.
class FreeMemory {
 public:
  FreeMemory(const Image& image, u64 memory)
      : image_(image),
        end_(std::min(memory, kLowMemoryEnd)),
        used_{{0, kPage}, {kConventionalEnd, kUpperStart}} {
    for (const Segment& s : image.segments) use(s.address, static_cast<u64>(s.address) + s.size);
  }
  u32 take(u64 size, const std::string& what) {
    u64 at = 0;
    for (const auto& [begin, end] : used_)  // by address
      if (at + size > begin && at < end) at = page_up(end);
    if (at + size > end_)
      throw InputError(image_.name, what, fmt::format("no free {} bytes of memory", size),
                       "room below, between or above the image's segments");
    use(at, at + size);
    return static_cast<u32>(at);
  }

 private:
  void use(u64 begin, u64 end) {
    used_.emplace_back(begin, end);
    std::sort(used_.begin(), used_.end());
  }
  const Image& image_;
  u64 end_;
  std::vector<std::pair<u64, u64>> used_;
};

void check_segments(const Image& image, u64 memory) {
  const u64 limit = std::min(memory, kLowMemoryEnd);
  for (const Segment& s : image.segments) {
    const u64 end = static_cast<u64>(s.address) + s.size;
    if (end > limit)
      throw InputError(image.name, fmt::format("segment at {:#x}", s.address), fmt::format("end {:#x}", end),
                       fmt::format("an end within the machine's memory ({:#x})", limit));
  }
}

// Multiboot Specification 0.6.96, 3.2, and Xen's PVH boot ABI: flat 32-bit protected mode, no paging, no
// interrupts. PVH also wants a 32-bit TSS loaded.
void protected_mode(const Image& image, core::CpuState& entry) {
  core::reset(entry);
  entry.fpu = {};  // firmware has executed FNINIT
  entry.cr0 = core::kCr0Pe | core::kCr0Et;
  entry.rflags = core::kFixed1;
  entry.rip = image.entry;
  for (core::Segment& s : entry.seg) s = {0, 0xffffffff, 0xc093, 0x10};
  entry.seg[core::CS] = {0, 0xffffffff, 0xc09b, 0x08};
  if (image.protocol == BootProtocol::Pvh) entry.tr = {0, 0x67, 0x008b, 0};
  entry.activity = core::Activity::Running;
  entry.cpl = 0;
}

void real_mode(const Image& image, core::CpuState& entry) {
  core::reset(entry);
  entry.fpu = {};  // firmware has executed FNINIT
  core::Segment& cs = entry.seg[core::CS];
  cs.selector = static_cast<u16>(image.entry >> 4);
  cs.base = image.entry & ~u64{15};
  entry.rip = image.entry & 15;
  entry.activity = core::Activity::Running;
}

}  // namespace

std::vector<MemoryRange> memory_ranges(u64 memory) {
  std::vector<MemoryRange> ranges{{0, std::min(memory, kConventionalEnd), 1}};
  if (memory > kAcpiTables)
    ranges.push_back({kAcpiTables, std::min<u64>(memory, kAcpiTablesEnd) - kAcpiTables, 2});
  if (memory > kUpperStart) ranges.push_back({kUpperStart, std::min(memory, kLowMemoryEnd) - kUpperStart, 1});
  if (memory > kLowMemoryEnd) ranges.push_back({u64{1} << 32, memory - kLowMemoryEnd, 1});
  return ranges;
}

void place_image(const Image& image, const BootOptions& options, u64 memory, const MemoryWriter& write,
                 core::CpuState& entry) {
  check_segments(image, memory);
  bool ok = true;
  const auto put = [&](u64 at, const void* bytes, u64 size) { ok = ok && write(at, bytes, size); };
  for (const Segment& s : image.segments) put(s.address, s.data.data(), s.data.size());

  // An image that covers the tables' place gets none.
  const bool room = memory >= kAcpiTablesEnd &&
                    std::none_of(image.segments.begin(), image.segments.end(), [](const Segment& s) {
                      return s.address<kAcpiTablesEnd&& static_cast<u64>(s.address) + s.size> kAcpiTables;
                    });
  if (room) {
    const std::vector<u8> tables = acpi_tables(options.cpus);
    put(kAcpiTables, tables.data(), tables.size());
  }

  FreeMemory free(image, memory);
  std::vector<PlacedModule> modules;
  for (const BootModule& m : options.modules) {
    const u32 at = free.take(std::max<u64>(m.bytes.size(), 1), "module " + m.command_line);
    put(at, m.bytes.data(), m.bytes.size());
    modules.push_back({at, static_cast<u32>(m.bytes.size()), m.command_line});
  }
  const auto build = [&](u32 base) {
    return image.protocol == BootProtocol::Pvh
               ? pvh_start_info(base, options, modules, memory, room ? kAcpiTables : 0)
               : multiboot_info(base, options, modules, memory);
  };
  switch (image.protocol) {
    case BootProtocol::Multiboot:
    case BootProtocol::Pvh: {
      const u32 at = free.take(build(0).bytes.size(), "boot information");
      const InfoBlock info = build(at);
      put(at, info.bytes.data(), info.bytes.size());
      protected_mode(image, entry);
      entry.gpr[core::RBX] = at;
      if (image.protocol == BootProtocol::Multiboot) entry.gpr[core::RAX] = 0x2badb002;
      break;
    }
    case BootProtocol::Flat:
      protected_mode(image, entry);
      break;
    case BootProtocol::RealMode:
      real_mode(image, entry);
      break;
  }
  if (!ok) throw std::logic_error("image placed outside the memory it was checked against");
}

}  // namespace pmusim::platform
