// SPDX-License-Identifier: Apache-2.0
// The shipped cases, and the bootable image that a case becomes.
#include <doctest/doctest.h>
#include <elf.h>

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>

#include "base/data.h"
#include "base/error.h"
#include "conformance/language/case.h"
#include "guests/case/payload.h"

using namespace pmusim;
using namespace pmusim::conformance;

TEST_CASE("every shipped case loads, compiles, and is in a file of its id's name") {
  const auto cases = load_cases(data_path("conformance/cases"));
  CHECK(cases.size() >= 12);
  for (const Case& c : cases) {
    CAPTURE(c.path);
    CHECK(std::filesystem::path(c.path).stem() == c.id);
    CHECK(compile_case(c).size() > c.payload.size());
    CHECK_FALSE(c.check_titles.empty());
  }
}

TEST_CASE(
    "an image is an ELF32 Multiboot container whose header lies in the first 8 KiB and that holds the "
    "payload") {
  const Case c = load_case(data_path("conformance/cases/instructions-exact.json"));
  const std::vector<u8> image = compile_case(c);
  Elf32_Ehdr h;
  std::memcpy(&h, image.data(), sizeof h);
  CHECK(std::memcmp(h.e_ident, "\177ELF\1\1", 6) == 0);
  CHECK(h.e_machine == EM_386);
  bool multiboot = false;
  for (std::size_t at = 0; at + 12 <= 8192; at += 4) {
    u32 words[3];
    std::memcpy(words, image.data() + at, 12);
    multiboot |= words[0] == 0x1badb002 && words[0] + words[1] + words[2] == 0;
  }
  CHECK(multiboot);
  Elf32_Phdr last;
  std::memcpy(&last, image.data() + h.e_phoff + (h.e_phnum - 1) * sizeof last, sizeof last);
  CHECK(last.p_paddr == CASE_PAYLOAD_ADDRESS);
  CHECK(std::memcmp(image.data() + last.p_offset, c.payload.data(), c.payload.size()) == 0);
  for (int i = 0; i + 1 < h.e_phnum; ++i) {
    Elf32_Phdr p;
    std::memcpy(&p, image.data() + h.e_phoff + i * sizeof p, sizeof p);
    CHECK(p.p_paddr + p.p_memsz <= CASE_PAYLOAD_ADDRESS);
  }
}

TEST_CASE("compiling a case twice gives the same bytes") {
  const std::string path = data_path("conformance/cases/overflow-sets-status-and-pmi.json");
  CHECK(compile_case(load_case(path)) == compile_case(load_case(path)));
}

TEST_CASE("two cases with one id are refused") {
  const auto folder = std::filesystem::temp_directory_path() / "pmusim-duplicate-ids";
  std::filesystem::create_directories(folder);
  for (const char* name : {"a.json", "b.json"}) {
    std::filesystem::copy_file(data_path("conformance/cases/instructions-exact.json"), folder / name,
                               std::filesystem::copy_options::overwrite_existing);
  }
  CHECK_THROWS_AS(load_cases(folder.string()), InputError);
  std::filesystem::remove_all(folder);
}

TEST_CASE("a host step gives the runner its verb and its arguments as they stand in the file") {
  const Case c = load_case(data_path("conformance/cases/event-filter-denies.json"));
  REQUIRE(c.script.steps.size() == 2);
  for (u32 i = 0; i < 2; ++i) {
    CHECK(c.script.steps[i].number == i);
    CHECK(c.script.steps[i].verb == "set_filter");
    CHECK(c.script.arguments(c.script.steps[i]).at("action").as_string() == "deny");
  }
  CHECK(c.script.arguments(c.script.steps[0]).at("events").as_strings() == std::vector<std::string>{"0xc0"});
  CHECK(c.script.arguments(c.script.steps[1]).at("events").size() == 2);
}
