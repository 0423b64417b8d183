// SPDX-License-Identifier: Apache-2.0
// Places an image in guest memory as its boot protocol says, with ACPI tables, and gives the CPU state at its
// entry. Serves the machine and, with the memory of a VM, a hypervisor. Page 0 stays free for start-up code
// of other CPUs; what a protocol hands over stands in the lowest free pages after it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/state/state.h"
#include "platform/boot/image.h"

namespace pmusim::platform {

// A file for the guest: an initial RAM disk, or kvm-unit-tests' environment ("NAME=value" lines).
struct BootModule {
  std::string command_line;  // usually the file's name
  std::string bytes;
};

struct BootOptions {
  std::string command_line;  // kernel-style: the program's name first
  std::vector<BootModule> modules;
  unsigned cpus = 1;  // for the ACPI tables
};

// Writes bytes at a guest-physical address; false: no memory there.
using MemoryWriter = std::function<bool(u64 address, const void* bytes, u64 size)>;

// `memory` is the RAM's size in bytes. Throws InputError if a segment, a module or the information has no
// place in it. Memory is expected to be zero: nothing is written beyond a segment's file data.
void place_image(const Image& image, const BootOptions& options, u64 memory, const MemoryWriter& write,
                 core::CpuState& entry);

// RAM above this address (the 3-4 GiB hole for devices) continues at 4 GiB.
inline constexpr u64 kLowMemoryEnd = 0xc0000000;

}  // namespace pmusim::platform
