// SPDX-License-Identifier: Apache-2.0
// A conformance case: a JSON file in the format of docs/case-format.md, checked and compiled. Loading reports
// every mistake of the file, or of the folder's files, as one InputError (file, line, JSON pointer; for an
// expression also the column). Where the shape is wrong (the schema), only that is reported.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/types.h"
#include "conformance/language/policy_match.h"
#include "session/step_script.h"

namespace pmusim::conformance {

// A difference that a policy is known to have. It is asserted: where the policy runs, the check gives `value`
// (if one is stated) or fails (if not), and a divergence that does not occur is a failure of the case.
struct Divergence {
  PolicyMatch policies;
  std::string vendor;                // "intel", "amd" or "" (both)
  std::vector<std::string> kernels;  // releases of the host; empty: all
  std::string check;                 // title of the check
  bool has_value = false;
  std::string value;      // expression; the guest evaluates it and prints it as @alt
  bool has_when = false;  // holds only where an expression is not 0, which the guest prints as @when
  std::string reason;
};

// What the two sides of a check are, so that a report can speak of them in the manuals' words.
struct CheckValue {
  enum class Kind : u8 { Number, Fault, Register } kind = Kind::Number;
  std::string reg;  // of Register: as the case language calls it, without an index
};

// What the encoder emitted for a measured program; for tests and for explanations of failures.
struct ProgramInfo {
  std::string name;
  u32 address = 0;  // guest-physical = linear
  u32 size = 0;
  unsigned cpl = 0;
  bool writes_msrs = false;             // besides start and stop: it may change its own counters
  u32 user_address = 0, landing = 0;    // at CPL 3: where the user part begins and where it leaves to
  std::map<std::string, u64> expected;  // "instructions", "branches", ..., "at_label", "address_label"
};

struct Case {
  std::string path, id, title, area;
  std::vector<std::string> sources;
  std::vector<Divergence> divergences;
  std::vector<PolicyMatch> host_policies;  // those that "host_expect" is about; empty: every one
  session::StepScript script;              // what the host does; holds the document
  std::vector<std::string> step_pointers;  // by the step number of the line protocol
  std::vector<std::string> check_titles;   // of all checks, in order of the file
  std::map<std::pair<u32, std::string>, CheckValue> check_values;  // by step and title; others are numbers
  std::vector<ProgramInfo> programs;
  std::vector<u8> payload;  // compiled, to be loaded at CASE_PAYLOAD_ADDRESS

  const JsonDocument& document() const { return *script.document; }
  // The case's "host_expect" object; host_expect() only where has_host_expect().
  bool has_host_expect() const;
  JsonView host_expect() const;
};

// For a name that is no case's, nor a file.
InputError no_case(const std::string& verb, const std::string& name, const std::vector<std::string>& ids);
Case load_case(const std::string& path);  // its id must be the file's name
Case parse_case(const std::string& text, const std::string& name);

// Every *.json below the folder (see list_files), sorted; two cases with one id are an InputError.
std::vector<Case> load_cases(const std::string& folder);

// The complete bootable image: an ELF32 Multiboot container with the guest runtime and this case.
std::vector<u8> compile_case(const Case& c);

// The values a case's "area" may have.
const std::vector<std::string>& case_areas();

}  // namespace pmusim::conformance
