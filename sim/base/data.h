// SPDX-License-Identifier: Apache-2.0
// Where the data files are that come with the program: models, policies, conformance cases, schemas.
#pragma once

#include <string>
#include <vector>

namespace pmusim {

// Path of a data file or folder, named relative to the source tree ("models/intel/spr.json"). Looked for in
// $PMUSIM_DATA_DIR if set, else in ../share/pmusim beside the executable if that is there, else, by a program
// that stands in its build folder, in the source tree. The file need not exist; InputError if the folder of
// all of them does not.
std::string data_path(const std::string& relative);

// The folder of the guest images that come with the program: beside the data files, or beside a program that
// stands in its build folder. It need not exist.
std::string guests_folder();

// Where a name or a path may stand: is it a path (it has a '/', or ends in ".json")?
bool is_path(const std::string& name);

// Regular files below a folder whose names end in `suffix`, sorted by the bytes of their path relative to the
// folder; the paths returned are relative to it. Empty if the folder does not exist.
std::vector<std::string> list_files(const std::string& folder, const std::string& suffix);

}  // namespace pmusim
