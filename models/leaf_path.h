// SPDX-License-Identifier: Apache-2.0
// Names of a model's values. They are the paths of the file, but that a CPUID leaf is named by its number and
// not by its place in the file's list: "cpuid.0xa.eax", and where a leaf has several subleaves
// "cpuid.0xb.1.eax".
#pragma once

#include <string>

#include "base/json.h"

namespace pmusim::models {

// Where in the model's document the value of that name is: "cpuid.leaves.4.eax"; a name that is none of a
// leaf as it is. place: of the name, for the InputError about one that names no leaf or no register of it.
std::string file_path(const JsonView& model, const std::string& name, const std::string& place);

// The same between JSON pointers ("/cpuid/0xa/eax"), as "assumed" of model files has them.
std::string file_pointer(const JsonView& model, const std::string& name, const std::string& place);

}  // namespace pmusim::models
