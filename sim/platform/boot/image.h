// SPDX-License-Identifier: Apache-2.0
// Bootable images, checked completely before anything is placed. Hostile files end in InputError, never in a
// wild access. Taken: ELF files (32 bit for i386, 64 bit for x86-64) with a Multiboot 1 header or Xen's PVH
// entry note, files of any format whose Multiboot header has the address fields, and flat binaries that are
// asked for with their address. An ELF32 file with both is booted by Multiboot, an ELF64 file by PVH.
// Not taken: video modes in the Multiboot header, Multiboot 2, Linux's bzImage (its payload is an ELF file).
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

enum class BootProtocol : u8 {
  Multiboot,
  Pvh,
  Flat,      // 32-bit protected mode, flat segments, nothing handed over
  RealMode,  // 16-bit real mode
};

struct Image {
  std::string name;
  std::vector<Segment> segments;  // by address, no overlap
  u32 entry = 0;                  // physical
  BootProtocol protocol = BootProtocol::Multiboot;

  u32 end() const { return segments.empty() ? 0 : segments.back().address + segments.back().size; }
};

Image load_image(const std::string& path);
Image load_image(const std::vector<u8>& bytes, const std::string& name);

// The bytes as they are, entered at the first one.
Image load_flat(const std::string& path, u64 address, BootProtocol protocol);
Image load_flat(const std::vector<u8>& bytes, const std::string& name, u64 address, BootProtocol protocol);

// A whole file of at most 1 GiB; InputError if it cannot be read.
std::vector<u8> read_image_file(const std::string& path);

}  // namespace pmusim::platform
