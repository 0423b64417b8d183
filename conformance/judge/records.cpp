// SPDX-License-Identifier: Apache-2.0
// Parser of the guest's line protocol.
#include "conformance/judge/records.h"

#include <algorithm>

#include "base/json.h"

namespace pmusim::conformance {
namespace {

// Words of one line, and errors that name it.
class Line {
 public:
  Line(const std::string& text, const std::string& name, unsigned number)
      : text_(text), name_(name), number_(number) {}

  std::string word() {
    const std::size_t begin = at_;
    const std::size_t end = std::min(text_.find(' ', begin), text_.size());
    at_ = std::min(end + 1, text_.size());
    if (begin == end) fail("a missing word");
    return text_.substr(begin, end - begin);
  }
  std::string value_of(const std::string& key) {
    const std::string w = word();
    if (w.compare(0, key.size() + 1, key + "=") != 0) fail("'" + w + "' instead of " + key + "=");
    return w.substr(key.size() + 1);
  }
  std::string rest() { return text_.substr(at_); }
  u64 hex(const std::string& w) {
    u64 value = 0;
    if (!parse_hex(w, value)) fail("'" + w + "' instead of a number 0x...");
    return value;
  }
  u32 decimal(const std::string& w) {
    if (w.empty() || w.size() > 9 || w.find_first_not_of("0123456789") != std::string::npos)
      fail("'" + w + "' instead of a decimal number");
    return static_cast<u32>(std::stoul(w));
  }
  std::string at() {
    const std::string w = value_of("at");
    return w == "-" ? "" : w;
  }
  [[noreturn]] void fail(const std::string& found) const {
    throw InputError(name_, "line " + std::to_string(number_), found + " in '" + text_ + "'",
                     "a record of the guest");
  }

 private:
  const std::string& text_;
  const std::string& name_;
  unsigned number_;
  std::size_t at_ = 0;
};

GuestCheck check(Line& line) {
  GuestCheck c;
  c.step = line.decimal(line.word());
  const std::string state = line.word();
  const std::string got = line.value_of("got"), comparison = line.value_of("op"),
                    want = line.value_of("want");
  c.at = line.at();
  c.text = line.rest();
  if (state == "skip") return c;
  if (state != "pass" && state != "fail") line.fail("state '" + state + "'");
  c.state = state == "pass" ? GuestCheck::State::Pass : GuestCheck::State::Fail;
  c.comparison = comparison;
  c.got = line.hex(got);
  c.want = line.hex(want);
  return c;
}

void alternative(Line& line, GuestReport& report, bool condition) {
  const u32 step = line.decimal(line.word());
  GuestAlternative a;
  a.divergence = line.decimal(line.word());
  a.value = line.hex(line.word());
  a.condition = condition;
  if (report.checks.empty() || report.checks.back().step != step || report.checks.back().at != line.at())
    line.fail("no check of that step before it");
  a.check = report.checks.size() - 1;
  report.alternatives.push_back(a);
}

void record(Line& line, GuestReport& report) {
  const std::string kind = line.word();
  if (kind == "@case") {
    report.id = line.rest();
  } else if (kind == "@cpu") {
    report.cpu = line.rest();
  } else if (kind == "@check") {
    report.checks.push_back(check(line));
  } else if (kind == "@alt") {
    alternative(line, report, false);
  } else if (kind == "@when") {
    alternative(line, report, true);
  } else if (kind == "@obs") {
    GuestObservation o;
    o.step = line.decimal(line.word());
    const std::string text = line.rest();  // a label may hold spaces; the value is the last word
    const std::size_t space = text.rfind(' ');
    if (space == std::string::npos) line.fail("no value");
    o.name = text.substr(0, space);
    o.value = line.hex(text.substr(space + 1));
    report.observations.push_back(o);
  } else if (kind == "@skip") {
    GuestSkip s;
    s.step = line.word();
    s.at = line.at();
    s.reason = line.rest();
    report.skips.push_back(s);
  } else if (kind == "@lost") {
    report.lost = line.decimal(line.word());
  } else if (kind == "@abort") {
    report.aborted = line.rest();
  } else if (kind == "@end") {
    report.ended = true;
  } else {
    line.fail("unknown record " + kind);
  }
}

}  // namespace

const GuestSkip* GuestReport::unmet_requirement() const {
  for (const GuestSkip& skip : skips)
    if (skip.step == "case") return &skip;
  return nullptr;
}

GuestReport parse_records(const std::string& serial, const std::string& name) {
  GuestReport report;
  unsigned number = 1;
  for (std::size_t begin = 0; begin < serial.size(); ++number) {
    const std::size_t end = std::min(serial.find('\n', begin), serial.size());
    std::string text = serial.substr(begin, end - begin);
    begin = end + 1;
    if (!text.empty() && text.back() == '\r') text.pop_back();
    if (text.empty() || text[0] != '@') continue;
    Line line(text, name, number);
    record(line, report);
  }
  return report;
}

}  // namespace pmusim::conformance
