// SPDX-License-Identifier: Apache-2.0
// CPUID leaves by number.
#include "models/leaf_path.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace pmusim::models {
namespace {

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(separator, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

bool parse_subleaf(const std::string& text, u64& number) {
  if (parse_hex(text, number)) return true;
  if (text.empty() || text.size() > 9 || text.find_first_not_of("0123456789") != std::string::npos)
    return false;
  number = std::stoul(text);
  return true;
}

// One leaf of the list.
struct Leaf {
  std::size_t index;
  u64 subleaf;
};

}  // namespace

std::string file_path(const JsonView& model, const std::string& name, const std::string& place) {
  const std::vector<std::string> keys = split(name, '.');
  if (keys[0] != "cpuid" || keys.size() < 2 || keys[1] == "source") return name;
  const auto wrong = [&](const std::string& found, const std::string& expected) {
    return InputError(model.document().name(), place, found, expected);
  };
  if (keys[1] == "leaves")
    throw wrong("'leaves', a list whose order means nothing", "a leaf by its number: cpuid.0xa.eax");
  u64 number = 0;
  if (!parse_hex(keys[1], number))
    throw wrong("'" + keys[1] + "'", "the number of a CPUID leaf: cpuid.0xa.eax");
  std::vector<Leaf> subleaves;
  std::string there;
  const std::vector<JsonView> list = model.at("cpuid").at("leaves").items();
  for (std::size_t i = 0; i < list.size(); ++i) {
    const u64 leaf = list[i].at("leaf").as_u64();
    there += fmt::format("{}{:#x}", there.empty() ? "" : ", ", leaf);
    if (leaf == number) subleaves.push_back({i, list[i].get_u64("subleaf", 0)});
  }
  if (subleaves.empty())
    throw wrong(fmt::format("leaf {:#x}", number), "one of the model's leaves: " + there);
  if (keys.size() != 3 && keys.size() != 4)
    throw wrong("'" + name + "'", fmt::format("a register of the leaf: cpuid.{:#x}.eax", number));
  std::string named;
  for (const Leaf& leaf : subleaves)
    named += fmt::format("{}cpuid.{:#x}.{}.{}", named.empty() ? "" : ", ", number, leaf.subleaf, keys.back());
  if (keys.size() == 3 && subleaves.size() > 1)
    throw wrong("'" + name + "', a leaf of several subleaves", "one of " + named);
  const Leaf* found = keys.size() == 3 ? &subleaves[0] : nullptr;
  u64 wanted = 0;
  if (!found && parse_subleaf(keys[2], wanted))
    for (const Leaf& leaf : subleaves)
      if (leaf.subleaf == wanted) found = &leaf;
  if (!found) throw wrong("subleaf '" + keys[2] + "'", "one of " + named);
  const std::vector<std::string> registers = {"eax", "ebx", "ecx", "edx"};
  if (std::find(registers.begin(), registers.end(), keys.back()) == registers.end())
    throw wrong("'" + keys.back() + "'", expected_one_of(keys.back(), registers));
  return fmt::format("cpuid.leaves.{}.{}", found->index, keys.back());
}

std::string file_pointer(const JsonView& model, const std::string& name, const std::string& place) {
  if (name.rfind("/cpuid/", 0) != 0) return name;
  std::string dotted = name.substr(1);
  std::replace(dotted.begin(), dotted.end(), '/', '.');
  std::string path = file_path(model, dotted, place);
  std::replace(path.begin(), path.end(), '.', '/');
  return "/" + path;
}

}  // namespace pmusim::models
