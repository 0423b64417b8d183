// SPDX-License-Identifier: Apache-2.0
// What `pmusim run` was asked for: from the command line, or from the config.json of an earlier run.
#pragma once

#include <string>
#include <vector>

#include "cli/options.h"
#include "hypervisor/vpmu/kernel_release.h"
#include "session/cpuid_choice.h"

namespace pmusim::cli {

// Values of --baseline.
inline constexpr const char *kNoPmu = "no-pmu", *kArgs = "args=";

struct RunConfig {
  Common common;
  std::string folder;  // that the paths of a config.json are relative to; "": the current one
  std::string image;
  std::vector<std::string> models, policies;           // lists as given; of one model
  std::vector<std::string> arguments;                  // of the guest, after the image's name
  std::vector<std::string> modules;                    // files
  std::string load_address, entry_mode = "protected";  // of a flat binary; load_address empty: not flat
  std::string cpuid = session::kDefaultCpuid, kernel = hv::release_name(hv::kDefaultRelease);
  std::string timing = "interval", memory = "128M";
  std::string scenario, record, out;
  std::vector<std::string> log, record_events;  // groups; record_events empty: everything
  u64 cpus = 1;
  bool allow_skips = false;     // of the exit status; not in config.json
  std::string baseline;         // "no-pmu", "args=TEXT" or "": none
  std::string format = "text";  // of the results on standard output
  std::string image_sha256;     // of the image that a config.json was written for; "": any
  bool step = false;
  u64 max_cycles = 0, max_seconds = 0;  // 0: none
};

// Complete and re-runnable, from config.out: every value that decides the result. image_sha256: of its image.
std::string to_json(const RunConfig& config, const std::string& image_sha256);

// Replaces everything but where output goes; options that are given beside it are applied after it.
void read_config(const std::string& path, RunConfig& config);

}  // namespace pmusim::cli
