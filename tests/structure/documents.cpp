// SPDX-License-Identifier: Apache-2.0
// The documentation names what is there: paths in documents and pictures, and functions in pictures. Whether
// what is said of them is true is not looked at.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <string>
#include <vector>

#include "tests/support/paths.h"

namespace {
namespace fs = std::filesystem;

const fs::path kRoot = pmusim::test::source("");

std::string text_of(const fs::path& file) {
  std::ifstream stream(file);
  return {std::istreambuf_iterator<char>(stream), {}};
}

std::vector<fs::path> documents(const char* extension) {
  std::vector<fs::path> found;
  for (const char* folder : {"", "docs"})
    for (const auto& entry : fs::directory_iterator(kRoot / folder))
      if (entry.path().extension() == extension) found.push_back(entry.path());
  return found;
}

// A path from the top; one that goes on with * or { stands for several, a name in capitals for one to choose.
const std::regex kPath(
    R"((^|[^\w./-])((bench|cmake|conformance|docs|guests|models|policies|scenarios|scripts|sim|tests|traces)/[\w./-]*\w)(?![\w*{/-]|\.[*{]))");
const std::regex kChosen(R"(.*[/_][A-Z]+(\.\w+)?)");

}  // namespace

TEST_CASE("every path that a document or a picture names exists") {
  unsigned paths = 0;
  for (const char* extension : {".md", ".svg"})
    for (const fs::path& document : documents(extension)) {
      const std::string text = text_of(document);
      for (std::sregex_iterator at(text.begin(), text.end(), kPath), end; at != end; ++at) {
        const std::string path = (*at)[2];
        if (std::regex_match(path, kChosen)) continue;
        ++paths;
        CHECK_MESSAGE(fs::exists(kRoot / path), document.filename().string() << " names " << path);
      }
    }
  CHECK(paths > 100);
}

// A name without a folder may be that of a document beside the file, in docs/ or at the top.
TEST_CASE("every document that a source, a model, a policy or a case cites is there") {
  const std::regex document(R"(([\w./-]+)\.md\b)");
  unsigned cited = 0, files = 0;
  for (const char* folder : {"sim", "models", "policies", "conformance", "guests", "tests", "docs"})
    for (const auto& entry : fs::recursive_directory_iterator(kRoot / folder)) {
      if (!entry.is_regular_file()) continue;
      ++files;
      const std::string text = text_of(entry.path());
      const std::string file = fs::relative(entry.path(), kRoot).generic_string();
      for (std::sregex_iterator at(text.begin(), text.end(), document), end; at != end; ++at) {
        const fs::path name = (*at)[0].str();
        if (name.is_absolute()) continue;  // of an installation
        ++cited;
        const bool there = fs::exists(kRoot / name) || fs::exists(kRoot / "docs" / name) ||
                           fs::exists(entry.path().parent_path() / name);
        CHECK_MESSAGE(there, file << " cites " << name.string());
      }
    }
  CHECK(files > 500);
  CHECK(cited > 20);
}

TEST_CASE("a function that a picture names below a file is in that file") {
  unsigned functions = 0;
  const std::regex named(R"(>\s*((sim|models|guests|conformance)/[\w/.]+)|(\w+)\(\)<)");
  for (const fs::path& picture : documents(".svg")) {
    const std::string text = text_of(picture);
    std::string file;
    for (std::sregex_iterator at(text.begin(), text.end(), named), end; at != end; ++at) {
      if ((*at)[1].matched) file = (*at)[1];
      if (!(*at)[3].matched) continue;
      ++functions;
      CHECK_MESSAGE(text_of(kRoot / file).find((*at)[3].str() + "(") != std::string::npos,
                    picture.filename().string() << " names " << (*at)[3].str() << " of " << file);
    }
  }
  CHECK(functions > 10);
}
