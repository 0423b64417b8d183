// SPDX-License-Identifier: Apache-2.0
// Greedy breaking of lines.
#include "base/wrap.h"

#include <algorithm>

namespace pmusim {

unsigned text_columns(const std::string& text) {
  return static_cast<unsigned>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string wrapped(const std::string& text, unsigned width, unsigned at, unsigned indent) {
  std::string out;
  unsigned column = at;
  bool fresh = true;  // nothing on this line yet
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find_first_of(" \n", begin), text.size());
    const std::string word = text.substr(begin, end - begin);
    if (!fresh && column + 1 + text_columns(word) > width) {
      out += "\n" + std::string(indent, ' ');
      column = indent;
      fresh = true;
    }
    out += (fresh ? "" : " ") + word;
    column += text_columns(word) + (fresh ? 0 : 1);
    fresh = false;
    if (end < text.size() && text[end] == '\n') {
      out += "\n" + std::string(indent, ' ');
      column = indent;
      fresh = true;
    }
    begin = end + 1;
  }
  return out;
}

}  // namespace pmusim
