// SPDX-License-Identifier: Apache-2.0
// Shared options, progress line and output files. The wall clock is read for the progress line only.
#include "cli/options.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/cancel.h"
#include "base/data.h"
#include "base/error.h"

namespace pmusim::cli {
namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

void add_common(const VerbOptions& verb, Common& common, const std::string& settable) {
  verb.settings("--set", common.set, "override a value: " + settable);
  verb.number("--seed", common.seed, 0, ~u64{0}, "seed of RDRAND and RDSEED")
      .shown_default("1")
      .when_given([&common] { common.seeded = true; });
  verb.flag("--quiet", common.quiet, "no progress line and no notes; results and errors only");
  verb.word("--color", common.color, "auto, never or always");
}

void check_common(const Common& common) {
  check_one_of("--color", common.color, {"auto", "never", "always"});
}

session::Overrides suite_overrides(const Common& common) {
  session::Overrides overrides = session::split_overrides(common.set);
  if (!overrides.scenario.empty())
    throw InputError(
        "--set", "", "'scenario." + overrides.scenario[0] + "'",
        "model.KEY=VALUE, policy.KEY=VALUE or host.COST=CYCLES; a case says itself what its host does");
  return overrides;
}

bool use_color(const Common& common) {
  if (common.color != "auto") return common.color == "always";
  return ::isatty(STDOUT_FILENO) && !std::getenv("NO_COLOR");
}

std::vector<std::string> split_list(const std::string& option, const std::vector<std::string>& lists) {
  std::vector<std::string> items;
  for (const std::string& list : lists)
    for (std::size_t begin = 0; begin <= list.size();) {
      const std::size_t end = std::min(list.find(',', begin), list.size());
      const std::string item = list.substr(begin, end - begin);
      begin = end + 1;
      if (item.empty()) continue;
      const bool change = item[0] == '-' || (item.find('=') != std::string::npos && !is_path(item));
      if (change && !items.empty()) {
        items.back() += "," + item;
        continue;
      }
      items.push_back(item);
    }
  if (!lists.empty() && items.empty()) throw InputError(option, "", "an empty list", "at least one name");
  for (auto item = items.begin(); item != items.end(); ++item)
    if (std::find(items.begin(), item, *item) != item)
      throw InputError(option, "", "'" + *item + "' twice", "each name once");
  return items;
}

void check_one_of(const std::string& option, const std::string& value,
                  const std::vector<std::string>& valid) {
  if (std::find(valid.begin(), valid.end(), value) == valid.end())
    throw InputError(option, "", "'" + value + "'", expected_one_of(value, valid));
}

Progress::Progress(const Common& common, const char* what)
    : on_(!common.quiet && ::isatty(STDERR_FILENO)), what_(what), start_(now()) {}

Progress::~Progress() {
  if (on_ && last_ > 0) fmt::print(stderr, "\r\033[K");
}

void Progress::operator()(std::size_t done, std::size_t total) {
  const double time = now();
  if (!on_ || !done || (time - last_ < 0.1 && done != total)) return;
  last_ = time;
  const double rate = static_cast<double>(done) / std::max(time - start_, 1e-3);
  fmt::print(stderr, "\r\033[K{}/{} {}, {:.0f}/s, {:.0f} s left", done, total, what_, rate,
             static_cast<double>(total - done) / std::max(rate, 1e-3));
  std::fflush(stderr);
}

u64 parse_size(const std::string& option, const std::string& text) {
  const auto wrong = [&] {
    return InputError(option, "", "'" + text + "'", "a size such as 65536, 512M or 2G, in bytes, K, M or G");
  };
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  if (digits == 0 || digits > 15) throw wrong();
  const u64 value = std::stoull(text.substr(0, digits));
  const std::string unit = text.substr(digits);
  unsigned shift = 0;
  if (unit == "K" || unit == "k")
    shift = 10;
  else if (unit == "M" || unit == "m")
    shift = 20;
  else if (unit == "G" || unit == "g")
    shift = 30;
  else if (!unit.empty())
    throw wrong();
  if (value > ~u64{0} >> shift) throw wrong();
  return value << shift;
}

int interrupted_status() {
  return 128 + interrupt_signal();
}

void make_folder(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) throw InputError(path, "", error.message(), "a folder that can be written");
}

void write_file(const std::string& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(text.data(), static_cast<std::streamsize>(text.size()));
  out.close();
  if (!out) throw InputError(path, "", std::strerror(errno), "a file that can be written");
}

InputError output_lost(int error) {
  return InputError("standard output", "", error ? std::strerror(error) : "an error while it was written",
                    "a file that can be written");
}

void flush_output() {
  errno = 0;
  if (std::fflush(stdout) != 0 || std::ferror(stdout)) throw output_lost(errno);
}

}  // namespace pmusim::cli
