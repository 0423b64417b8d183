// SPDX-License-Identifier: Apache-2.0
// Reads a recording line by line, so that its size does not matter.
#include "trace/reader.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>

#include "base/json.h"
#include "trace/event_json.h"

namespace pmusim::trace {
namespace {

// Each line is a document of its own; its place in the recording is the line's number.
template <typename F>
auto at_line(const std::string& path, u64 number, const std::string& text, F&& use) {
  try {
    return use(parse_json(text, path));
  } catch (const InputError& error) {
    const std::size_t comma = error.place().find(", ");
    const std::string pointer = comma == std::string::npos ? "" : error.place().substr(comma);
    throw InputError(path, "line " + std::to_string(number) + pointer, error.found(), error.expected());
  }
}

Recording read_meta(const JsonDocument& line) {
  const JsonView root = line.root();
  if (!root.is_object() || !root.has("event") || root.at("event").as_string() != "meta")
    root.fail("no meta line", "a first line {\"event\":\"meta\",\"schema\":2,...}");
  const u64 schema = root.at("schema").as_u64();
  if (schema != kSchemaVersion)
    root.at("schema").fail("version " + std::to_string(schema), "version " + std::to_string(kSchemaVersion));
  Recording recording;
  for (const std::string& key : root.keys())
    if (key != "event" && key != "schema") recording.meta.emplace_back(key, root.at(key).as_string());
  return recording;
}

}  // namespace

Recording read_recording(const std::string& path, const std::function<void(const Event&)>& on_event) {
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  std::string text;
  if (!in || (in.peek(), errno))
    throw InputError(path, "", errno == ENOENT ? "no such file" : std::strerror(errno), "a readable file");
  if (!std::getline(in, text)) throw InputError(path, "line 1", "an empty file", "a meta line");
  Recording recording = at_line(path, 1, text, read_meta);
  std::map<u8, u64> last_cycle;
  for (u64 number = 2; std::getline(in, text); ++number) {
    const Event event = at_line(path, number, text, [&](const JsonDocument& line) {
      Event e = from_json(line.root());
      u64& last = last_cycle[e.cpu];
      if (e.cycle < last)
        line.root().at("cycle").fail(std::to_string(e.cycle), "at least " + std::to_string(last));
      last = e.cycle;
      return e;
    });
    ++recording.events;
    on_event(event);
  }
  if (in.bad()) throw InputError(path, "", std::strerror(errno), "a readable file");
  return recording;
}

}  // namespace pmusim::trace
