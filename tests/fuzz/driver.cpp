// SPDX-License-Identifier: Apache-2.0
// Runs a libFuzzer entry point on shipped inputs and on mutations of them: fuzz_x COUNT SEED (FOLDER
// SUFFIX)... The entry point must return for every input; a crash or an unexpected exception ends the
// program.
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/data.h"
#include "base/json.h"
#include "base/rng.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size);

namespace {

using pmusim::Rng;

// Interesting to parsers of numbers, sizes, nesting and text.
const char* const kTokens[] = {"{",
                               "}",
                               "[",
                               "]",
                               "\"",
                               ":",
                               ",",
                               "\\u0000",
                               "-1",
                               "1e999",
                               "18446744073709551616",
                               "\"0x\"",
                               "null",
                               "true",
                               "\xff\xff\xff\xff",
                               "\xff\xff\xff\x7f",
                               "\x7f"
                               "ELF"};

std::string mutate(std::string text, const std::string& other, Rng& rng) {
  for (pmusim::u64 n = 1 + rng.below(4); n; --n) {
    if (text.empty()) text = "x";
    const std::size_t at = rng.below(text.size());
    const std::size_t length = std::min<std::size_t>(1 + rng.below(16), text.size() - at);
    switch (rng.below(6)) {
      case 0:
        text[at] = static_cast<char>(rng.next());
        break;
      case 1:
        text[at] = static_cast<char>(text[at] ^ (1 << rng.below(8)));
        break;
      case 2:
        text.erase(at, length);
        break;
      case 3:
        text.insert(at, text.substr(at, length));
        break;
      case 4:
        text.insert(at, kTokens[rng.below(sizeof kTokens / sizeof *kTokens)]);
        break;
      case 5:
        if (!other.empty()) {
          const std::size_t from = rng.below(other.size());
          text.insert(at, other, from, std::min<std::size_t>(64, other.size() - from));
        }
        break;
    }
  }
  return text;
}

void feed(const std::string& text) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const unsigned char*>(text.data()), text.size());
}

int run(int argc, char** argv) {
  if (argc < 5) return 2;
  const unsigned long count = std::strtoul(argv[1], nullptr, 10);
  Rng rng(std::strtoul(argv[2], nullptr, 10));
  std::vector<std::string> seeds;
  for (int i = 3; i + 1 < argc; i += 2)
    for (const std::string& file : pmusim::list_files(argv[i], argv[i + 1]))
      seeds.push_back(pmusim::read_file(std::string(argv[i]) + "/" + file));
  if (seeds.empty()) {
    std::fprintf(stderr, "no seed inputs\n");
    return 1;
  }
  for (const std::string& seed : seeds) feed(seed);
  for (unsigned long i = 0; i < count; ++i)
    feed(mutate(seeds[rng.below(seeds.size())], seeds[rng.below(seeds.size())], rng));
  std::printf("%zu inputs and %lu mutations\n", seeds.size(), count);
  return 0;
}

}  // namespace

extern "C" int sc_main(int argc, char** argv) {
  return run(argc, argv);
}
