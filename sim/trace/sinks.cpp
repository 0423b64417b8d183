// SPDX-License-Identifier: Apache-2.0
// Text log, recorder, and the list of events for tests.
#include "trace/sinks.h"

#include <cerrno>
#include <cstring>

#include "base/bits.h"
#include "base/error.h"
#include "base/json.h"
#include "trace/event_json.h"

namespace pmusim::trace {
namespace {

u64 kind_bit(EventKind kind) {
  return bit(static_cast<unsigned>(kind));
}

u64 kinds_of(const std::string& group) {
  if (group == "msr") return kind_bit(EventKind::Msr) | kind_bit(EventKind::Rdpmc) | kind_bit(EventKind::Lvt);
  if (group == "exit")
    return kind_bit(EventKind::Entry) | kind_bit(EventKind::Exit) | kind_bit(EventKind::Cpuid) |
           kind_bit(EventKind::Halt);
  if (group == "pmi") return kind_bit(EventKind::Pmi) | kind_bit(EventKind::Overflow);
  if (group == "sched") return kind_bit(EventKind::Sched) | kind_bit(EventKind::HostStep);
  if (group == "hostmsr") return kind_bit(EventKind::HostMsr);
  throw InputError("--log", "", "'" + group + "'", expected_one_of(group, log_groups()));
}

}  // namespace

const std::vector<std::string>& log_groups() {
  static const std::vector<std::string> groups = {"msr", "exit", "pmi", "sched", "hostmsr"};
  return groups;
}

TextLog::TextLog(std::FILE* out, const std::vector<std::string>& groups)
    : out_(out), kinds_(kind_bit(EventKind::Gap)) {
  for (const std::string& group : groups) kinds_ |= kinds_of(group);
}

void TextLog::on_event(const Event& event) {
  if (kinds_ & kind_bit(event.kind)) std::fprintf(out_, "%s\n", to_text(event).c_str());
}

Recorder::Recorder(const std::string& path, const std::vector<std::pair<std::string, std::string>>& meta,
                   const std::vector<std::string>& groups)
    : path_(path), file_(std::fopen(path.c_str(), "wb")) {
  if (!file_) throw InputError(path, "", std::strerror(errno), "a file that can be written");
  std::string first = R"({"event":"meta","schema":)" + std::to_string(kSchemaVersion);
  for (const auto& [key, value] : meta) first += "," + json_string(key) + ":" + json_string(value);
  line(first + "}");
  if (groups.empty()) return;
  kinds_ = kind_bit(EventKind::Gap);
  for (const std::string& group : groups) kinds_ |= kinds_of(group);
}

Recorder::~Recorder() {
  if (file_) std::fclose(file_);
}

void Recorder::line(const std::string& text) {
  if (std::fprintf(file_, "%s\n", text.c_str()) < 0)
    throw InputError(path_, "", std::strerror(errno), "a file that can be written");
}

void Recorder::on_event(const Event& event) {
  if (kinds_ & kind_bit(event.kind)) line(to_json_line(event));
}

void Recorder::close() {
  std::FILE* file = file_;
  file_ = nullptr;
  if (file && std::fclose(file) != 0)
    throw InputError(path_, "", std::strerror(errno), "a file that can be written");
}

}  // namespace pmusim::trace
