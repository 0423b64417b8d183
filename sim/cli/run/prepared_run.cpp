// SPDX-License-Identifier: Apache-2.0
// Checks of a run's options, each and together, and the loading of what they name.
#include "cli/run/prepared_run.h"

#include <fmt/format.h>

#include <charconv>
#include <filesystem>

#include "base/data.h"
#include "base/sha256.h"
#include "session/catalog.h"
#include "session/cpuid_choice.h"
#include "trace/sinks.h"

namespace pmusim::cli {
namespace {

using namespace session;

u64 parse_address(const std::string& option, const std::string& text) {
  u64 value = 0;
  const bool hex = text.rfind("0x", 0) == 0;
  const char* begin = text.data() + (hex ? 2 : 0);
  const char* end = text.data() + text.size();
  const auto [last, error] = std::from_chars(begin, end, value, hex ? 16 : 10);
  if (error != std::errc() || last != end)
    throw InputError(option, "", "'" + text + "'", "an address such as 0x100000");
  return value;
}

// A name that is no file may be that of a guest program.
std::vector<u8> image_bytes(const std::string& path) {
  std::error_code error;
  if (path.find('/') == std::string::npos && !std::filesystem::exists(path, error)) {
    const std::string name = path.substr(0, path.find('.')) + ".elf";
    const std::filesystem::path beside = std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
    for (const std::string& guest : {(beside / "guests" / name).string(), data_path("guests/" + name)})
      if (std::filesystem::exists(guest, error))
        throw InputError("run", "", "no file '" + path + "'",
                         "the path of an image, such as " + guest + " ('pmusim list guests' shows all)");
  }
  return platform::read_image_file(path);
}

// A config.json is of one image; another one's results would not be those that it repeats.
void check_image(const RunConfig& c, const std::string& sha256) {
  if (!c.image_sha256.empty() && c.image_sha256 != sha256)
    throw InputError(c.image, "", "a file with SHA-256 " + sha256,
                     "that of config.json, " + c.image_sha256 + "; to run this one, give IMAGE too");
}

platform::Image image_of(const RunConfig& c, const std::vector<u8>& bytes) {
  check_one_of("--entry-mode", c.entry_mode, {"protected", "real"});
  const bool real = c.entry_mode == "real";
  if (c.load_address.empty()) {
    if (real)
      throw InputError("--entry-mode", "", "'real' without --load-address", "a flat binary's address");
    return platform::load_image(bytes, c.image);
  }
  return platform::load_flat(bytes, c.image, parse_address("--load-address", c.load_address),
                             real ? platform::BootProtocol::RealMode : platform::BootProtocol::Flat);
}

std::vector<platform::BootModule> modules_of(const RunConfig& c) {
  std::vector<platform::BootModule> modules;
  for (const std::string& path : c.modules) {
    if (path.empty()) throw InputError("--module", "", "an empty text", "the path of a file");
    const std::vector<u8> bytes = platform::read_image_file(path);
    modules.push_back({path, std::string(bytes.begin(), bytes.end())});
  }
  return modules;
}

}  // namespace

PreparedRun prepare(RunConfig& c) {
  check_common(c.common);
  check_one_of("--format", c.format, {"text", "serial", "json", "csv"});
  check_one_of("--timing", c.timing, {"functional", "interval"});
  check_one_of("--kernel", c.kernel, hv::release_names());
  check_cpuid_choice(c.cpuid);
  for (const std::string& group : split_list("--log", c.log))
    check_one_of("--log", group, trace::log_groups());
  for (const std::string& group : split_list("--record-events", c.record_events))
    check_one_of("--record-events", group, trace::log_groups());
  if (c.models.empty()) throw InputError("--model", "", "no model", "one model");
  if (c.policies.empty())
    throw InputError("--policy", "", "no policy", "a list of policies, or 'bare-metal'");
  c.models = models_from(split_list("--model", c.models), "--model");
  if (c.models.size() != 1)
    throw InputError("--model", "", fmt::format("{} models", c.models.size()), "one model");
  if (c.record.empty() && !c.record_events.empty())
    throw InputError("--record-events", "", "no --record", "it beside --record FILE");
  const Overrides overrides = split_overrides(c.common.set);
  PreparedRun p;
  p.policies = c.policies = policies_from(split_list("--policy", c.policies), "--policy");
  const bool bare = p.policies == std::vector<std::string>{kBareMetal};
  if (bare && !overrides.policy.empty())
    throw InputError("--set", "", "'policy." + overrides.policy[0] + "' with bare metal alone",
                     "a policy that it changes");
  if (bare && !overrides.host.empty())
    throw InputError("--set", "", "'host." + overrides.host[0] + "' with bare metal alone",
                     "a policy, which has a host");
  p.host_costs = hv::host_costs(overrides.host);
  p.model = model_by_id(c.models[0], overrides, c.timing == "interval");
  for (const std::string& id : p.policies) p.loaded.push_back(policy_by_id(id, overrides));
  p.release = hv::release_by_name(c.kernel);
  for (const std::optional<hv::Policy>& policy : p.loaded)  // refuses what the model's CPUID cannot be
    guest_cpuid(resolved_cpuid(c.cpuid, !policy), p.model, p.release,
                policy && policy->counters_in_hardware());
  p.memory = parse_size("--memory", c.memory);
  if (p.memory == 0 || p.memory % 4096 || p.memory > u64{1} << 40)
    throw InputError("--memory", "", "'" + c.memory + "'", "a multiple of 4096 bytes, from 4096 to 1024G");
  p.scenario = load_scenario(c.scenario, overrides.scenario);
  if (bare && p.scenario.script)
    throw InputError(c.scenario.empty() ? "--set" : c.scenario, "/host",
                     "steps of a host with bare metal alone", "a policy, which has a host");
  if (!c.baseline.empty() && c.baseline != kNoPmu && c.baseline.rfind(kArgs, 0) != 0)
    throw InputError("--baseline", "", "'" + c.baseline + "'",
                     "'no-pmu', or 'args=' and the guest's arguments");
  if (c.cpus > 1 && p.scenario.sync_window > p.model.ipi_latency)
    throw InputError(c.scenario.empty() ? "--set" : c.scenario, "sync_window",
                     fmt::format("{}", p.scenario.sync_window),
                     fmt::format("1 to the model's IPI latency, {}, with several CPUs", p.model.ipi_latency));
  if (c.image.empty()) throw InputError("run", "", "no image", "the path of a bootable image");
  const std::vector<u8> bytes = image_bytes(c.image);
  if (!c.out.empty() || c.format == "json" || !c.image_sha256.empty()) p.image_sha256 = sha256(bytes);
  check_image(c, p.image_sha256);
  p.image = image_of(c, bytes);
  p.modules = modules_of(c);
  return p;
}

}  // namespace pmusim::cli
