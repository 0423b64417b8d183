// SPDX-License-Identifier: Apache-2.0
// pmusim build CASE --out IMAGE.elf: a case as a bootable image, for any machine or monitor that boots
// Multiboot.
#include <filesystem>
#include <memory>

#include "base/data.h"
#include "base/error.h"
#include "cli/options.h"
#include "cli/verbs.h"
#include "conformance/language/case.h"

namespace pmusim::cli {
namespace {

using namespace conformance;

Case find_case(const std::string& name) {
  if (std::filesystem::is_regular_file(name)) return load_case(name);
  if (std::filesystem::is_directory(name)) throw InputError(name, "", "a folder", "one case");
  std::vector<std::string> ids;
  for (Case& c : load_cases(data_path("conformance/cases"))) {
    if (c.id == name) return std::move(c);
    ids.push_back(c.id);
  }
  throw no_case("build", name, ids);
}

int build(const std::string& name, const std::string& out) {
  const std::vector<u8> image = compile_case(find_case(name));
  write_file(out, std::string(image.begin(), image.end()));
  return 0;
}

}  // namespace

void add_build(const VerbOptions& command, Action& action) {
  const VerbOptions verb = command.verb("build", "Compile a case to a bootable image");
  auto name = std::make_shared<std::string>(), out = std::make_shared<std::string>();
  verb.text("CASE", *name, "a case's id or file", "id or file of a case").required();
  verb.text("--out", *out, "a path", "image to write").required();
  verb.parsed([=, &action] { action = [=] { return build(*name, *out); }; });
}

}  // namespace pmusim::cli
