// SPDX-License-Identifier: Apache-2.0
// Reading JSON text: nlohmann/json decides what is valid; a scan of the valid text then finds the line of
// every value and rejects duplicate keys, of which nlohmann/json would silently keep the last.
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

#include "base/json.h"

namespace pmusim {
namespace {

constexpr unsigned kMaxDepth = 100;

unsigned line_at(const std::string& text, std::size_t offset) {
  const auto end = text.begin() + static_cast<std::ptrdiff_t>(std::min(offset, text.size()));
  return 1 + static_cast<unsigned>(std::count(text.begin(), end, '\n'));
}

// The parser recurses for nothing, but everything that walks its result does.
void check_depth(const std::string& text, const std::string& name) {
  unsigned depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kMaxDepth)
        throw InputError(name, "line " + std::to_string(line_at(text, i)), "more than 100 levels of nesting",
                         "at most 100");
    } else if ((c == '}' || c == ']') && depth) {
      --depth;
    }
  }
}

// Walks text that is known to be valid JSON.
class Scanner {
 public:
  Scanner(const std::string& text, const std::string& name) : text_(text), name_(name) {
    space();
    value("");
  }
  std::map<std::string, unsigned> lines;

 private:
  void space() {
    while (at_ < text_.size() && std::strchr(" \t\r\n", text_[at_])) line_ += text_[at_++] == '\n';
  }
  std::string string() {
    const std::size_t begin = at_++;
    while (text_[at_] != '"') at_ += text_[at_] == '\\' ? 2 : 1;
    ++at_;
    return nlohmann::json::parse(text_.substr(begin, at_ - begin)).get<std::string>();
  }
  void value(const std::string& pointer) {
    lines[pointer] = line_;
    if (text_[at_] == '{') {
      object(pointer);
    } else if (text_[at_] == '[') {
      array(pointer);
    } else if (text_[at_] == '"') {
      string();
    } else {
      while (at_ < text_.size() && !std::strchr(",]} \t\r\n", text_[at_])) ++at_;
    }
  }
  void object(const std::string& pointer) {
    std::set<std::string> seen;
    ++at_;
    for (space(); text_[at_] != '}'; space()) {
      if (text_[at_] == ',') {
        ++at_;
        continue;
      }
      const unsigned key_line = line_;
      const std::string key = string();
      std::string child = pointer + "/";
      for (char c : key) child += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
      if (!seen.insert(key).second)
        throw InputError(name_, "line " + std::to_string(key_line) + ", " + child, "a second '" + key + "'",
                         "each key once");
      space();
      ++at_;  // colon
      space();
      value(child);
    }
    ++at_;
  }
  void array(const std::string& pointer) {
    std::size_t index = 0;
    ++at_;
    for (space(); text_[at_] != ']'; space()) {
      if (text_[at_] == ',') {
        ++at_;
        continue;
      }
      value(pointer + "/" + std::to_string(index++));
    }
    ++at_;
  }

  const std::string& text_;
  const std::string& name_;
  std::size_t at_ = 0;
  unsigned line_ = 1;
};

}  // namespace

JsonDocument parse_json(const std::string& text, const std::string& name) {
  check_depth(text, name);
  nlohmann::json value;
  try {
    value = nlohmann::json::parse(text);
  } catch (const nlohmann::json::parse_error& error) {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: <reason>"
    std::string reason = error.what();
    if (const auto colon = reason.find(": "); colon != std::string::npos) reason = reason.substr(colon + 2);
    const std::size_t offset = error.byte ? error.byte - 1 : 0;
    const bool empty = text.find_first_not_of(" \t\r\n") == std::string::npos;
    throw InputError(name, "line " + std::to_string(line_at(text, offset)),
                     empty ? "an empty file" : "invalid JSON (" + reason + ")", "JSON");
  } catch (const nlohmann::json::out_of_range& error) {
    throw InputError(name, "", "a number out of range (" + std::string(error.what()) + ")",
                     "numbers of 64 bits");
  }
  // A byte order mark is accepted by the parser; it is not part of the text for the scan.
  const bool mark = text.compare(0, 3, "\xef\xbb\xbf") == 0;
  const std::string body = mark ? text.substr(3) : text;
  Scanner scanner(body, name);
  return JsonDocument(name, std::move(value), std::move(scanner.lines));
}

std::string read_file(const std::string& path) {
  if (path.empty()) throw InputError("file name", "", "an empty text", "the path of a readable file");
  // fopen accepts a directory, reading it then fails: C streams keep the reason for both.
  std::FILE* file = std::fopen(path.c_str(), "rb");
  std::string text;
  char buffer[65536];
  std::size_t got = 0;
  while (file && (got = std::fread(buffer, 1, sizeof buffer, file)) > 0) text.append(buffer, got);
  const int reason = !file || std::ferror(file) ? errno : 0;
  if (file) std::fclose(file);
  if (reason)
    throw InputError(path, "", reason == ENOENT ? "no such file" : std::strerror(reason), "a readable file");
  return text;
}

JsonDocument load_json(const std::string& path) {
  return parse_json(read_file(path), path);
}

}  // namespace pmusim
