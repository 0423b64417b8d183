// SPDX-License-Identifier: Apache-2.0
// Where the files are that tests read and write: absolute paths in the source tree and in the build tree.
#pragma once

#include <string>

namespace pmusim::test {

std::string source(const std::string& relative);
std::string build(const std::string& relative);
// An empty folder of that name in the build tree.
std::string fresh_folder(const std::string& name);

}  // namespace pmusim::test
