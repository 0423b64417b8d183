// SPDX-License-Identifier: Apache-2.0
// Options that several verbs share, and what they mean on this terminal.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/types.h"
#include "cli/verb_options.h"
#include "session/catalog.h"

namespace pmusim::cli {

struct Common {
  std::vector<std::string> set;  // "path.to.key=value"
  u64 seed = 1;
  bool seeded = false;  // on the command line
  bool quiet = false;
  std::string color = "auto";
};
// settable: the forms of --set that the verb takes, for its help.
void add_common(const VerbOptions& verb, Common& common, const std::string& settable);
void check_common(const Common& common);  // InputError for a colour that is none
// Of --set what a suite of cases can take: a case says itself what its host does.
session::Overrides suite_overrides(const Common& common);

inline constexpr u64 kMostCycles = ~u64{0} >> 1, kMostSeconds = 1000000000;

bool use_color(const Common& common);  // of standard output

// Each item of a comma-separated list, of several such lists, without empty ones. What begins with
// '-' or has a '=' belongs to the item before it ("kvm,-x2apic,gp=4"). InputError for an item that stands
// there twice.
std::vector<std::string> split_list(const std::string& option, const std::vector<std::string>& lists);

// One of these, or InputError with the nearest.
void check_one_of(const std::string& option, const std::string& value, const std::vector<std::string>& valid);

// A line on standard error that is rewritten while work goes on, where that is a terminal and not --quiet.
// Shows done/total, rate and time left; erased at the end.
class Progress {
 public:
  explicit Progress(const Common& common, const char* what);
  ~Progress();
  void operator()(std::size_t done, std::size_t total);

 private:
  bool on_;
  const char* what_;
  double start_;
  double last_ = 0;
};

// "512M", "2G", "65536": bytes.
u64 parse_size(const std::string& option, const std::string& text);

// Exit status where everything was skipped, as of Automake's and kvm-unit-tests' tests.
inline constexpr int kNothingTested = 77;
// Exit status of what a signal of the user ended: 128 + signal, as a shell shows it.
int interrupted_status();

// Creates the folder. write_file: whole contents; both throw InputError with the system's reason.
void make_folder(const std::string& path);
void write_file(const std::string& path, const std::string& text);

// Standard output that could not be written, for the reason errno gives; flush_output() throws it if anything
// that was printed is lost.
InputError output_lost(int error);
void flush_output();

}  // namespace pmusim::cli
