// SPDX-License-Identifier: Apache-2.0
// Bootable images: an ELF32 (i386) container with a Multiboot 1 header, checked completely before anything is
// placed. Hostile files end in InputError, never in a wild access.
// Not taken: ELF64 (QEMU's -kernel refuses it too), the header's address fields (flag bit 16), video modes.
#pragma once

#include <string>
#include <vector>

#include "base/types.h"

namespace pmusim::platform {

struct Segment {
  u32 address = 0;  // physical
  u32 size = 0;     // in memory; bytes beyond data.size() are zero
  std::vector<u8> data;
};

struct Image {
  std::string name;
  std::vector<Segment> segments;  // by address, no overlap
  u32 entry = 0;
  u32 multiboot_flags = 0;

  u32 end() const { return segments.empty() ? 0 : segments.back().address + segments.back().size; }
};

Image load_image(const std::string& path);
Image load_image(const std::vector<u8>& bytes, const std::string& name);

}  // namespace pmusim::platform
