// SPDX-License-Identifier: Apache-2.0
// pmusim show model|policy|case NAME: all that is known of it, as text or with --json as one object.
#include <fmt/format.h>

#include "base/error.h"
#include "cli/options.h"
#include "cli/show/show.h"
#include "cli/verbs.h"
#include "hypervisor/vpmu/kernel_release.h"
#include "session/cpuid_choice.h"

namespace pmusim::cli {
namespace {

struct ShowOptions {
  std::string name, model, kernel = hv::release_name(hv::kDefaultRelease), cpuid = session::kDefaultCpuid;
  std::vector<std::string> set;
  bool json = false;
};

std::string one_of(const std::vector<std::string>& names, const char* option, const char* what) {
  if (names.size() != 1)
    throw InputError(option, "", fmt::format("{} names", names.size()), std::string("one ") + what);
  return names[0];
}

std::string model_of(const std::string& name, const char* option) {
  return one_of(session::models_from({name}, option), option, "model");
}

// Of --set what is about a model or a policy; nothing runs here.
session::Overrides overrides_of(const ShowOptions& o) {
  session::Overrides overrides = session::split_overrides(o.set);
  for (const auto* others : {&overrides.scenario, &overrides.host})
    if (!others->empty())
      throw InputError("--set", "", "'" + others->at(0) + "' of a run",
                       "model.KEY=VALUE or policy.KEY=VALUE");
  return overrides;
}

int print(const Sheet& sheet, const ShowOptions& o) {
  fmt::print("{}", o.json ? as_json(sheet) : as_text(sheet, output_width()));
  return 0;
}

int model(const ShowOptions& o) {
  return print(show_model(model_of(o.name, "show model"), overrides_of(o)), o);
}

int policy(const ShowOptions& o) {
  check_one_of("--kernel", o.kernel, hv::release_names());
  session::check_cpuid_choice(o.cpuid);
  const std::string id = one_of(session::policies_from({o.name}, "show policy"), "show policy", "policy");
  return print(show_policy({id, model_of(o.model, "--model"), o.kernel, o.cpuid}, overrides_of(o)), o);
}

int a_case(const ShowOptions& o) {
  return print(show_case(o.name), o);
}

}  // namespace

void add_show(const VerbOptions& command, Action& action) {
  const VerbOptions show = command.verb("show", "Show all that is known of a model, a policy or a case");
  show.needs_verb();
  auto o = std::make_shared<ShowOptions>();
  const auto add = [&](const char* name, const char* help, const char* what,
                       int (*work)(const ShowOptions&)) {
    const VerbOptions verb = show.verb(name, help);
    verb.text("NAME", o->name, std::string("the name of a ") + name, what).required();
    verb.flag("--json", o->json, "print one JSON object");
    verb.parsed([o, &action, work] { action = [o, work] { return work(*o); }; });
    return verb;
  };
  const VerbOptions of_model =
      add("model", "its PMU, clocks, costs and assumed values", "a model, or the file of one", model);
  of_model.settings("--set", o->set, "override a value: model.KEY=V");
  const VerbOptions of_policy =
      add("policy", "what it comes to on a host: assets, and which MSR accesses exit and why",
          "a policy, or the file of one", policy);
  of_policy.text("--model", o->model, "a model", "CPU model of the host (required)").required();
  of_policy.word("--kernel", o->kernel, "kernel release of the host");
  of_policy.word("--cpuid", o->cpuid, "CPUID of the guest, as of 'pmusim run'");
  of_policy.settings("--set", o->set, "override a value: model.KEY=V or policy.KEY=V");
  add("case", "its requirements, checks and divergences", "a case, or the file of one", a_case);
}

}  // namespace pmusim::cli
