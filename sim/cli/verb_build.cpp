// SPDX-License-Identifier: Apache-2.0
// pmusim build CASE... --out IMAGE.elf|FOLDER: cases as bootable images, for any machine or monitor that
// boots Multiboot.
#include <filesystem>
#include <memory>

#include "base/error.h"
#include "cli/options.h"
#include "cli/verbs.h"
#include "conformance/judge/selection.h"

namespace pmusim::cli {
namespace {

using namespace conformance;

bool is_glob(const std::string& text) {
  return text.find_first_of("*?[") != std::string::npos;
}

void write_image(const Case& c, const std::string& path) {
  const std::vector<u8> image = compile_case(c);
  write_file(path, std::string(image.begin(), image.end()));
}

// One case named by id or file: to the file `out`. Anything else: each to out/ID.elf.
int build(const std::vector<std::string>& names, const std::string& out) {
  for (const std::string& name : names)
    if (name.empty())
      throw InputError("CASE", "", "an empty text", "ids, globs of ids, files or folders of cases");
  const bool one = names.size() == 1 && !is_glob(names[0]) && !std::filesystem::is_directory(names[0]);
  const std::vector<Case> cases = select_cases({names, {}, {}, false}, "build");
  if (one) {
    write_image(cases[0], out);
    return 0;
  }
  make_folder(out);
  for (const Case& c : cases) write_image(c, out + "/" + c.id + ".elf");
  return 0;
}

}  // namespace

void add_build(const VerbOptions& command, Action& action) {
  const VerbOptions verb = command.verb("build", "Compile cases to bootable images");
  auto names = std::make_shared<std::vector<std::string>>();
  auto out = std::make_shared<std::string>();
  verb.arguments("CASE", *names, "ids ('overflow*'), files or folders of cases").required();
  verb.text("-o,--out", *out, "a path",
            "image to write; of a glob, a folder or several cases: folder for ID.elf each")
      .required();
  verb.parsed([=, &action] { action = [=] { return build(*names, *out); }; });
}

}  // namespace pmusim::cli
