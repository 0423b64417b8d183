// SPDX-License-Identifier: Apache-2.0
// Places an image in guest memory as a Multiboot 1 loader does and gives the CPU state at its entry. Serves
// the machine and, with the memory of a VM, a hypervisor.
#pragma once

#include <functional>
#include <string>

#include "core/state.h"
#include "platform/image.h"

namespace pmusim::platform {

struct BootOptions {
  std::string command_line;  // kernel-style: the program's name first
  std::string module;        // environment block; empty: no module
};

// Writes bytes at a guest-physical address; false: no memory there.
using MemoryWriter = std::function<bool(u64 address, const void* bytes, u64 size)>;

// `memory` is the RAM's size in bytes. Throws InputError if a segment or the information lies outside it.
// Memory is expected to be zero: nothing is written beyond a segment's file data.
void place_image(const Image& image, const BootOptions& options, u64 memory, const MemoryWriter& write,
                 core::CpuState& entry);

// RAM above this address (the 3-4 GiB hole for devices) continues at 4 GiB.
inline constexpr u64 kLowMemoryEnd = 0xc0000000;

}  // namespace pmusim::platform
