// SPDX-License-Identifier: Apache-2.0
// pmusim trace view|validate FILE...: prints recordings as text, or checks them.
#include <fmt/format.h>

#include <memory>

#include "base/error.h"
#include "cli/verbs.h"
#include "trace/event_json.h"
#include "trace/reader.h"

namespace pmusim::cli {
namespace {

int view(const std::vector<std::string>& files) {
  for (const std::string& file : files) {
    if (files.size() > 1) fmt::print("{}:\n", file);
    const trace::Recording recording =
        trace::read_recording(file, [](const Event& event) { fmt::print("{}\n", trace::to_text(event)); });
    for (const auto& [key, value] : recording.meta) fmt::print("# {} = {}\n", key, value);
  }
  return 0;
}

int validate(const std::vector<std::string>& files) {
  for (const std::string& file : files) {
    const trace::Recording recording = trace::read_recording(file, [](const Event&) {});
    fmt::print("{}: {} events, well formed\n", file, recording.events);
  }
  return 0;
}

}  // namespace

void add_trace(const VerbOptions& command, Action& action) {
  const VerbOptions trace = command.verb("trace", "Print or check recordings (.jsonl)");
  trace.needs_verb();
  auto files = std::make_shared<std::vector<std::string>>();
  const auto add = [&](const char* name, const char* help, int (*work)(const std::vector<std::string>&)) {
    const VerbOptions verb = trace.verb(name, help);
    verb.arguments("FILE", *files, "recordings").required();
    verb.parsed([files, &action, work] {
      for (const std::string& file : *files)
        if (file.empty()) throw InputError("FILE", "", "an empty text", "the path of a recording");
      action = [files, work] { return work(*files); };
    });
  };
  add("view", "print every event as a line of text", view);
  add("validate", "check that recordings are well formed", validate);
}

}  // namespace pmusim::cli
