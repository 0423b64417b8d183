// SPDX-License-Identifier: Apache-2.0
// The image loader takes what the Multiboot specification describes and refuses everything else with a
// located error, whatever the bytes.
#include <doctest/doctest.h>

#include <cstring>

#include "base/error.h"
#include "base/rng.h"
#include "platform/boot/boot.h"
#include "tests/support/machine/guest_image.h"

using namespace pmusim;
using namespace pmusim::platform;
using namespace pmusim::platform::test;

namespace {

std::vector<u8> good() {
  Assembler c(0x100000);
  c.exit(0);
  return make_elf(c.base(), {part(c), {0x200000, {1, 2, 3, 4}, 0x2000}});
}

void poke(std::vector<u8>& b, size_t at, u32 v) {
  std::memcpy(b.data() + at, &v, 4);
}

std::string place_of(const std::vector<u8>& bytes) {
  try {
    load_image(bytes, "x.elf");
  } catch (const InputError& e) {
    CHECK(e.file() == "x.elf");
    CHECK_FALSE(e.found().empty());
    return e.place();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("a multiboot ELF32 image is taken apart into segments by address") {
  const Image i = load_image(good(), "x.elf");
  REQUIRE(i.segments.size() == 2);
  CHECK(i.entry == 0x100000);
  CHECK(i.segments[1].address == 0x200000);
  CHECK(i.segments[1].size == 0x2000);
  CHECK(i.segments[1].data == std::vector<u8>{1, 2, 3, 4});
}

TEST_CASE("every truncation of an image is an input error") {
  const std::vector<u8> whole = good();
  for (size_t n = 0; n < whole.size(); n += n < 200 ? 1 : 97) {
    const std::vector<u8> cut(whole.begin(), whole.begin() + static_cast<long>(n));
    CHECK_THROWS_AS(load_image(cut, "cut"), InputError);
  }
}

TEST_CASE("hostile header fields are refused where they stand") {
  std::vector<u8> b = good();
  b[4] = 3;
  CHECK(place_of(b) == "ELF class");
  b = good();
  b[18] = 62;
  CHECK(place_of(b) == "ELF machine");
  b = good();
  poke(b, 24, 0x50);
  CHECK(place_of(b) == "ELF entry");
  b = good();
  poke(b, 28, 0xfffffff0);
  CHECK(place_of(b).find("program header table") == 0);
  b = good();
  poke(b, 52 + 4, 0xffffffff);
  CHECK(place_of(b).find("program header 0 data") == 0);
  b = good();
  poke(b, 52 + 16, 0xfffffff0);
  CHECK(place_of(b) == "program header 0");
  b = good();
  poke(b, 52 + 12, 0xfffffff8);
  CHECK(place_of(b) == "program header 0");
  b = good();
  poke(b, 84 + 12, 0x100001);
  CHECK(place_of(b) == "program headers");
  b = good();
  poke(b, 0xf08, 1);
  CHECK(place_of(b) == "multiboot header at offset 0xf00");
  b = good();
  poke(b, 0xf00, 0);
  CHECK(place_of(b) == "the first 8192 bytes");
  b = good();
  poke(b, 0xf04, 4);
  poke(b, 0xf08, 0u - 0x1badb002 - 4);
  CHECK(place_of(b) == "multiboot header at offset 0xf00");
}

TEST_CASE("segments may touch but not overlap") {
  Assembler c(0x100000);
  c.exit(0);
  const u32 n = static_cast<u32>(c.bytes().size());
  CHECK_NOTHROW(load_image(make_elf(c.base(), {part(c), {0x100000 + n, {1}, 0}}), "touch"));
  CHECK_THROWS_AS(load_image(make_elf(c.base(), {part(c), {0x100000 + n - 1, {1}, 0}}), "overlap"),
                  InputError);
}

TEST_CASE("random damage never does more than raise an input error") {
  Rng rng(1);
  for (int round = 0; round < 3000; ++round) {
    std::vector<u8> b = good();
    for (int i = 0; i < 4; ++i) b[rng.below(160)] = static_cast<u8>(rng.next());
    try {
      const Image image = load_image(b, "damaged");
      for (const auto& s : image.segments) CHECK(s.data.size() <= s.size);
    } catch (const InputError&) {
    }
  }
}

TEST_CASE("the multiboot information lies in free memory and describes it") {
  std::vector<u8> memory(16 << 20);
  auto write = [&](u64 at, const void* p, u64 n) {
    if (at + n > memory.size()) return false;
    std::memcpy(memory.data() + at, p, n);
    return true;
  };
  auto u32_at = [&](u64 at) {
    u32 v;
    std::memcpy(&v, memory.data() + at, 4);
    return v;
  };
  core::CpuState s;
  BootOptions o;
  o.command_line = "guest arg1";
  const std::string environment = "NR_CPUS=2\n";
  o.modules.push_back({"environment", environment});
  place_image(load_image(good(), "x"), o, memory.size(), write, s);
  CHECK(s.gpr[core::RAX] == 0x2badb002);
  CHECK(s.rip == 0x100000);
  CHECK(s.cr0 == (core::kCr0Pe | core::kCr0Et));
  CHECK((s.rflags & core::kIF) == 0);
  CHECK(s.seg[core::CS].big());
  const u64 info = s.gpr[core::RBX];
  CHECK(info >= 0x1000);
  CHECK(info + 4096 <= 0x9f000);
  CHECK((u32_at(info) & 0x4d) == 0x4d);
  CHECK(u32_at(info + 4) == 639);
  CHECK(u32_at(info + 8) == 15 * 1024);
  CHECK(std::string(reinterpret_cast<char*>(&memory[u32_at(info + 16)])) == "guest arg1");
  CHECK(u32_at(info + 20) == 1);
  const u32 module = u32_at(info + 24);
  CHECK(u32_at(module + 4) - u32_at(module) == environment.size());
  CHECK(std::string(reinterpret_cast<char*>(&memory[u32_at(module)])) == environment);
  CHECK(u32_at(info + 44) == 3 * 24);  // low memory, the firmware's area, memory from 1 MiB
  CHECK(u32_at(u32_at(info + 48) + 24 + 20) == 2);
  CHECK(u32_at(u32_at(info + 48) + 48 + 4) == 0x100000);
}

TEST_CASE("a segment beyond the machine's memory is an input error") {
  core::CpuState s;
  auto write = [](u64, const void*, u64) { return true; };
  CHECK_THROWS_AS(place_image(load_image(good(), "x"), {}, 0x201fff, write, s), InputError);
  CHECK_NOTHROW(place_image(load_image(good(), "x"), {}, 0x202000, write, s));
}
