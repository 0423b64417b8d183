// SPDX-License-Identifier: Apache-2.0
// The rules of a verdict:
//   error  the guest did not finish, gave up, or its output is not understood
//   skip   a requirement of the case is not met, or no check could be made
//   fail   a check fails that no documented divergence explains, or a documented divergence does not occur
//   pass   otherwise
#include "conformance/judge/verdict_judge.h"

#include <fmt/format.h>

#include <algorithm>

#include "conformance/judge/documented.h"
#include "conformance/judge/value_words.h"
#include "guests/case/payload.h"

namespace pmusim::conformance {

using namespace session;
namespace {

// "line 12, /steps/3" of the case's file.
std::string place_of(const Case& c, u32 step) {
  return step < c.step_pointers.size() ? c.document().place(c.step_pointers[step]) : "";
}

std::string comparison_sign(const std::string& op) {
  static const std::map<std::string, std::string> signs = {{"eq", ""},    {"ne", "not "}, {"lt", "< "},
                                                           {"le", "<= "}, {"gt", "> "},   {"ge", ">= "}};
  const auto sign = signs.find(op);
  return sign == signs.end() ? "" : sign->second;
}

std::string number(u64 value) {
  return in_words(value, {});
}

CheckValue meaning_of(const Case& c, const GuestCheck& check) {
  const auto known = c.check_values.find({check.step, check.text});
  return known == c.check_values.end() ? CheckValue{} : known->second;
}

std::string expectation(const GuestCheck& check, const CheckValue& meaning) {
  if (check.comparison == "true") return "true";
  if (meaning.kind == CheckValue::Kind::Fault && check.comparison == "ne" && check.want == FAULT_NONE)
    return "a fault";
  return comparison_sign(check.comparison) + in_words(check.want, meaning);
}

std::string joined(const std::vector<std::string>& list) {
  std::string text;
  for (const std::string& item : list) text += (text.empty() ? "" : "; ") + item;
  return text;
}

Finding finding_of(const Case& c, const GuestCheck& check) {
  const CheckValue meaning = meaning_of(c, check);
  Finding f{check.text, place_of(c, check.step), expectation(check, meaning), in_words(check.got, meaning),
            joined(c.sources)};
  if (!check.at.empty()) f.rounds = {check.at};
  f.step = check.step;
  f.want_value = check.want;
  f.got_value = check.got;
  return f;
}

void add(std::vector<Finding>& list, Finding f) {
  for (Finding& known : list)
    if (known.step == f.step && known.what == f.what && known.expected == f.expected && known.got == f.got &&
        known.reason == f.reason && !known.rounds.empty() && !f.rounds.empty()) {
      known.rounds.push_back(f.rounds[0]);
      return;
    }
  list.push_back(std::move(f));
}

// Does a divergence of the case hold at this check? One with a condition does where the guest found it true.
bool holds(const Case& c, const GuestReport& report, std::size_t divergence, std::size_t check) {
  if (!c.divergences[divergence].has_when) return true;
  for (const GuestAlternative& a : report.alternatives)
    if (a.condition && a.check == check && a.divergence == divergence) return a.value != 0;
  return false;
}

// What the documented divergences say about one check.
struct Documented {
  bool any = false;       // some divergence of this point is about this check
  bool occurred = false;  // ... and gives what was got
  std::string reason, expected, why;
};

Documented documented(const Case& c, const Setting& setting, const GuestReport& report, std::size_t index) {
  const GuestCheck& check = report.checks[index];
  Documented d;
  for (const GuestAlternative& a : report.alternatives) {
    if (a.condition || a.check != index || a.divergence >= c.divergences.size()) continue;
    const Divergence& divergence = c.divergences[a.divergence];
    const std::string why = why_documented(divergence, setting);
    if (why.empty() || !holds(c, report, a.divergence, index)) continue;
    d.any = true;
    d.reason = divergence.reason;
    d.why = why;
    d.expected = in_words(a.value, meaning_of(c, check));
    if (a.value == check.got) {
      d.occurred = true;
      return d;
    }
  }
  for (std::size_t i = 0; i < c.divergences.size(); ++i) {
    const Divergence& divergence = c.divergences[i];
    if (divergence.has_value || divergence.check != check.text || !holds(c, report, i, index)) continue;
    const std::string why = why_documented(divergence, setting);
    if (why.empty()) continue;
    d.reason = divergence.reason;
    d.why = why;
    if (check.state == GuestCheck::State::Fail) {
      d.any = d.occurred = true;
      return d;
    }
  }
  return d;
}

void judge_checks(const Case& c, const Setting& setting, const GuestReport& report, CaseResult& result) {
  for (std::size_t i = 0; i < report.checks.size(); ++i) {
    const GuestCheck& check = report.checks[i];
    if (check.state == GuestCheck::State::Skip) {
      result.skipped_checks.push_back(check.text + (check.at.empty() ? "" : " [" + check.at + "]"));
      continue;
    }
    ++result.checks;
    const Documented d = documented(c, setting, report, i);
    Finding f = finding_of(c, check);
    if (d.any) {
      f.reason = d.reason;
      f.why = d.why;
      if (d.occurred) {
        // Where the documented value is what the architecture wants, there is nothing to tell.
        if (check.state == GuestCheck::State::Fail) add(result.divergences, f);
      } else if (!setting.point.implements.empty() && check.state == GuestCheck::State::Pass) {
        continue;
      } else {
        const std::string or_else = setting.point.implements.empty() ? "" : f.expected + ", or ";
        f.expected = or_else + "the documented divergence: " + d.expected;
        add(result.findings, f);
      }
    } else if (check.state == GuestCheck::State::Fail) {
      add(result.findings, f);
    }
  }
}

// A divergence that is documented for this point and was nowhere seen although its check was made.
void judge_absent(const Case& c, const Setting& setting, const GuestReport& report, CaseResult& result) {
  if (!setting.point.implements.empty()) return;
  for (const Applying& applying : applying_divergences(c, setting)) {
    const std::size_t d = applying.divergence;
    const Divergence& divergence = c.divergences[d];
    bool made = false, failed = false;
    for (std::size_t i = 0; i < report.checks.size(); ++i) {
      const GuestCheck& check = report.checks[i];
      if (check.text != divergence.check || check.state == GuestCheck::State::Skip) continue;
      if (!holds(c, report, d, i)) continue;
      made = true;
      failed = failed || check.state == GuestCheck::State::Fail;
    }
    if (made && !failed)
      result.findings.push_back({divergence.check, "", "a documented divergence: " + divergence.reason,
                                 "what the architecture says; the divergence no longer occurs", ""});
  }
}

// Host side: {"exits": {"NAME": N or {"min": N, "max": N}}} for the policies it names.
void judge_host(const Case& c, const Setting& setting, const Observation& seen, CaseResult& result) {
  if (!c.has_host_expect() || !seen.host_side) return;
  const JsonView expect = c.host_expect();
  const auto is_about = [&](const PolicyMatch& m) {
    return !m.why(setting.policy, setting.circumstances).empty();
  };
  if (!c.host_policies.empty() && std::none_of(c.host_policies.begin(), c.host_policies.end(), is_about))
    return;
  if (!expect.has("exits")) return;
  const JsonView exits = expect.at("exits");
  for (const std::string& name : exits.keys()) {
    const JsonView want = exits.at(name);
    const u64 low = want.is_object() ? want.get_u64("min", 0) : want.as_u64();
    const u64 high = want.is_object() ? want.get_u64("max", ~u64{0}) : low;
    const auto found = seen.exits.find(name);
    const u64 got = found == seen.exits.end() ? 0 : found->second;
    ++result.checks;
    if (got >= low && got <= high) continue;
    const std::string range = low == high       ? number(low)
                              : high == ~u64{0} ? fmt::format("at least {}", low)
                                                : fmt::format("{} to {}", low, high);
    result.findings.push_back({"VM-exits " + name, want.place(), range, number(got), joined(c.sources)});
  }
}

bool is_error(const Case& c, const Observation& seen, const GuestReport& report, CaseResult& result) {
  if (!report.aborted.empty())
    result.reason = "the guest gave up: " + report.aborted;
  else if (!seen.stopped.empty())
    result.reason = seen.stopped;
  else if (!report.ended || !seen.exited)
    result.reason = "the guest's output breaks off";
  else if (report.lost)
    result.reason = fmt::format("{} records were lost", report.lost);
  else if (report.id != c.id)
    result.reason = "the guest ran case '" + report.id + "'";
  else
    return false;
  result.verdict = Verdict::Error;
  return true;
}

}  // namespace

void judge(const Case& c, const RunPoint& point, const hv::Policy* policy, const Observation& seen,
           CaseResult& result) {
  result.instructions = seen.instructions;
  result.cycles = seen.cycles;
  result.assumed = seen.assumed;
  result.gaps = seen.gaps;
  GuestReport report;
  try {
    report = parse_records(seen.serial, c.id);
  } catch (const InputError& error) {
    result.verdict = Verdict::Error;
    result.reason = error.what();
    return;
  }
  for (const GuestObservation& o : report.observations) result.values.emplace_back(o.name, o.value);
  if (is_error(c, seen, report, result)) return;
  if (const GuestSkip* unmet = report.unmet_requirement()) {
    result.verdict = Verdict::Skip;
    result.reason = unmet->reason;
    return;
  }
  for (const GuestSkip& skip : report.skips)
    result.skipped_checks.push_back("step " + skip.step + (skip.at.empty() ? "" : " [" + skip.at + "]") +
                                    ": " + skip.reason);
  const Setting setting = setting_of(point, policy, seen);
  judge_checks(c, setting, report, result);
  judge_absent(c, setting, report, result);
  judge_host(c, setting, seen, result);
  if (!result.findings.empty()) {
    result.verdict = Verdict::Fail;
  } else if (result.checks == 0) {
    result.verdict = Verdict::Skip;
    result.reason = result.skipped_checks.empty() ? "no check was made" : result.skipped_checks.front();
  } else {
    result.verdict = Verdict::Pass;
  }
}

}  // namespace pmusim::conformance
