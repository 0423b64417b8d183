// SPDX-License-Identifier: Apache-2.0
// Parses the command line, runs one verb and maps errors to exit statuses.
//   0 good   1 a check failed   2 wrong use, wrong input or output that cannot be written   3 an internal
//   error 130, 143: ended by SIGINT (Ctrl-C), SIGTERM
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <system_error>

#include "base/error.h"
#include "cli/command_line.h"
#include "cli/options.h"
#include "cli/verbs.h"
#include "cli/version.h"

namespace pmusim::cli {
namespace {

constexpr int kWrongUse = 2;
constexpr int kInternalError = 3;

const CLI::App& deepest(const CLI::App& app) {
  for (const CLI::App* sub : app.get_subcommands()) return deepest(*sub);
  return app;
}

std::vector<std::string> verbs_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(sub->get_name());
  return names;
}

// The options and verbs that could have been meant.
std::vector<std::string> names_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  const std::vector<std::string> verbs = verbs_of(app);
  names.insert(names.end(), verbs.begin(), verbs.end());
  return names;
}

int wrong_use(const CLI::App& app, const std::string& reason) {
  std::string command;
  for (const CLI::App* at = &app; at; at = at->get_parent())
    command = at->get_name() + (command.empty() ? "" : " ") + command;
  fmt::print(stderr, "pmusim: {}\nTry '{} --help'.\n", reason, command);
  return kWrongUse;
}

// CLI11's words for a wrong number of values, in ours.
std::string mismatch(const std::string& text) {
  std::string name = text.substr(0, text.find_first_of(": "));
  if (name.front() != '-') name = "--" + name;  // a flag is told without
  if (text.find("missing") != std::string::npos) return name + ": found nothing after it, expected a value";
  const std::string received = "received ";
  const std::size_t at = text.find(received);
  if (at == std::string::npos) return name + ": found a value, expected the option alone";
  const std::string times = text.substr(at + received.size());
  return name + ": found it given " + (times == "2" ? "twice" : times + " times") + ", expected it once";
}

int parse_and_run(int argc, char** argv) {
  // What follows "--" is the guest's; it may look like options of ours.
  std::optional<std::vector<std::string>> guest_arguments;
  if (char** const end = std::find(argv, argv + argc, std::string("--")); end != argv + argc) {
    guest_arguments.emplace(end + 1, argv + argc);
    argc = static_cast<int>(end - argv);
  }
  CLI::App app("Cycle-level simulator of x86 PMUs under virtualization, and its conformance suite.",
               "pmusim");
  Action action;
  const VerbOptions command(app, program_name() + " (" + program_commit() + ")");
  add_list(command, action);
  add_show(command, action);
  add_run(command, action, guest_arguments);
  add_conform(command, action);
  add_build(command, action);
  add_bugs(command, action);
  add_trace(command, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ExtrasError&) {
    const CLI::App& verb = deepest(app);
    std::string extra = "argument";
    for (const std::string& text : app.remaining(true)) {
      extra = text;
      break;
    }
    const std::string wanted = extra.substr(0, extra.find('='));
    const std::string near = nearest_name(wanted, names_of(verb));
    const std::string hint = near == wanted  ? ", expected it behind the verb '" + verb.get_name() + "'"
                             : !near.empty() ? "; did you mean '" + near + "'?"
                             : verb.get_name() == "run" && extra.rfind('-', 0) != 0
                                 ? "; the guest's arguments follow '--'"
                                 : "";
    return wrong_use(verb, "unknown argument '" + extra + "'" + hint);
  } catch (const CLI::RequiredError& error) {
    const CLI::App& verb = deepest(app);
    const std::vector<std::string> verbs = verbs_of(verb);
    if (verbs.empty()) return wrong_use(verb, std::string(error.what()) + ", found nothing");
    // Without a verb that is known, the word in its place is what was meant as one.
    int at = 1;
    for (const CLI::App* outer = verb.get_parent(); outer; outer = outer->get_parent()) ++at;
    if (argc <= at) return wrong_use(verb, "found no verb, expected " + expected_one_of("", verbs));
    const std::string word = argv[at];
    return wrong_use(verb, "unknown verb '" + word + "', expected " + expected_one_of(word, names_of(verb)));
  } catch (const CLI::ArgumentMismatch& error) {
    return wrong_use(deepest(app), mismatch(error.what()));
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    return wrong_use(deepest(app), error.what());
  }
  if (guest_arguments && !app.got_subcommand("run"))
    return wrong_use(deepest(app), "found '--', expected it with 'run' only, before the guest's arguments");
  return action();
}

}  // namespace

int run_command_line(int argc, char** argv) {
  try {
    const int status = parse_and_run(argc, argv);
    flush_output();  // the status holds only if all that was printed is written
    return status;
  } catch (const InputError& error) {
    fmt::print(stderr, "pmusim: {}\n", error.what());
    return kWrongUse;
  } catch (const std::system_error& error) {
    const bool lost = std::ferror(stdout);  // fmt's printing throws
    fmt::print(
        stderr, "pmusim: {}\n",
        lost ? output_lost(error.code().value()).what() : "internal error: " + std::string(error.what()));
    return lost ? kWrongUse : kInternalError;
  } catch (const std::exception& error) {
    fmt::print(stderr, "pmusim: internal error: {}\n", error.what());
    return kInternalError;
  }
}

}  // namespace pmusim::cli
