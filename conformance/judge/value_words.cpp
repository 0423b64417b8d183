// SPDX-License-Identifier: Apache-2.0
// Names of exception vectors and of registers' fields.
#include "conformance/judge/value_words.h"

#include <fmt/format.h>

#include <vector>

#include "arch/evtsel.h"
#include "arch/vector.h"
#include "base/bits.h"
#include "guests/case/payload.h"

namespace pmusim::conformance {
namespace {

using Words = std::vector<std::string>;

std::string plain(u64 value) {
  return value < 10 ? fmt::format("{}", value) : fmt::format("{} (0x{:x})", value, value);
}

std::string fault(u64 vector) {
  static const std::pair<u8, const char*> names[] = {
      {kDE, "#DE"}, {kDB, "#DB"}, {kNMI, "NMI"}, {kBP, "#BP"}, {kOF, "#OF"}, {kBR, "#BR"}, {kUD, "#UD"},
      {kNM, "#NM"}, {kDF, "#DF"}, {kTS, "#TS"},  {kNP, "#NP"}, {kSS, "#SS"}, {kGP, "#GP"}, {kPF, "#PF"},
      {kMF, "#MF"}, {kAC, "#AC"}, {kMC, "#MC"},  {kXM, "#XM"}, {kCP, "#CP"}};
  if (vector == FAULT_NONE) return "no fault";
  for (const auto& [number, name] : names)
    if (number == vector) return fmt::format("{} (vector {})", name, vector);
  return fmt::format("vector {}", vector);
}

// Takes what it names out of the value.
class Fields {
 public:
  explicit Fields(u64 value) : rest_(value) {}
  void bit(unsigned at, const std::string& name) {
    if (take(at, 1)) words_.push_back(name);
  }
  u64 take(unsigned at, unsigned width) {
    const u64 mask = ((u64{1} << width) - 1) << at, field = (rest_ & mask) >> at;
    rest_ &= ~mask;
    return field;
  }
  void word(std::string text) { words_.push_back(std::move(text)); }
  std::string text() {
    for (unsigned at = 0; at < 64; ++at) bit(at, fmt::format("bit {}", at));
    return words_.empty() ? "" : fmt::format(" ({})", fmt::join(words_, ", "));
  }

 private:
  u64 rest_;
  Words words_;
};

// Counters as global control and status have them.
void counters(Fields& f) {
  for (unsigned n = 0; n < 16; ++n) f.bit(n, fmt::format("gp{}", n));
  for (unsigned n = 0; n < 16; ++n) f.bit(32 + n, fmt::format("fixed{}", n));
  f.bit(48, "PERF_METRICS");
}

void status(Fields& f) {
  counters(f);
  const std::pair<unsigned, const char*> bits[] = {
      {55, "TraceToPAPMI"}, {58, "LBR_FRZ"},     {59, "CTR_FRZ"}, {60, "ASCI"},
      {61, "Ovf_Uncore"},   {62, "OvfDSBuffer"}, {63, "CondChgd"}};
  for (const auto& [at, name] : bits) f.bit(at, name);
}

void selector(Fields& f, u64 value) {
  if (!value) return;
  const u64 event = f.take(0, 8), umask = f.take(8, 8);
  f.word(fmt::format("event 0x{:02x}, umask 0x{:02x}", event, umask));
  const std::pair<u64, const char*> bits[] = {
      {evtsel::kUsr, "USR"}, {evtsel::kOs, "OS"},   {evtsel::kEdge, "EDGE"}, {evtsel::kPinControl, "PC"},
      {evtsel::kInt, "INT"}, {evtsel::kAny, "ANY"}, {evtsel::kEn, "EN"},     {evtsel::kInv, "INV"}};
  for (const auto& [mask, name] : bits) f.bit(*set_bits(mask).begin(), name);
  if (const u64 cmask = f.take(24, 8)) f.word(fmt::format("CMASK {}", cmask));
  // On AMD the event's upper part; on Intel IN_TX, IN_TXCP and more.
  if (const u64 high = f.take(32, 4)) f.word(fmt::format("bits 35:32 0x{:x}", high));
  f.bit(*set_bits(evtsel::kGuestOnly).begin(), "GuestOnly");
  f.bit(*set_bits(evtsel::kHostOnly).begin(), "HostOnly");
}

void fixed_control(Fields& f) {
  for (unsigned n = 0; n < 16; ++n) {
    const u64 field = f.take(4 * n, 4);
    if (!field) continue;
    std::string text = fmt::format("fixed{}:", n);
    if (field & 1) text += " OS";
    if (field & 2) text += " USR";
    if (field & 4) text += " ANY";
    if (field & 8) text += " PMI";
    f.word(text);
  }
}

void debugctl(Fields& f) {
  const std::pair<unsigned, const char*> bits[] = {{0, "LBR"},
                                                   {1, "BTF"},
                                                   {6, "TR"},
                                                   {7, "BTS"},
                                                   {8, "BTINT"},
                                                   {11, "FREEZE_LBRS_ON_PMI"},
                                                   {12, "FREEZE_PERFMON_ON_PMI"},
                                                   {14, "FREEZE_WHILE_SMM"},
                                                   {15, "RTM_DEBUG"}};
  for (const auto& [at, name] : bits) f.bit(at, name);
}

void perf_capabilities(Fields& f) {
  if (const u64 format = f.take(0, 6)) f.word(fmt::format("LBR_FMT {}", format));
  f.bit(6, "PEBS_TRAP");
  f.bit(7, "PEBS_ARCH_REG");
  if (const u64 format = f.take(8, 4)) f.word(fmt::format("PEBS_FMT {}", format));
  f.bit(12, "SMM_FREEZE");
  f.bit(13, "FW_WRITE");
  f.bit(14, "PEBS_BASELINE");
  f.bit(15, "PERF_METRICS_AVAILABLE");
  f.bit(16, "PEBS_OUTPUT_PT_AVAIL");
}

void lvtpc(Fields& f) {
  const u64 vector = f.take(0, 8), mode = f.take(8, 3);
  f.word(mode == 4 ? "NMI"
         : mode    ? fmt::format("delivery mode {}", mode)
                   : fmt::format("vector 0x{:02x}", vector));
  f.bit(12, "delivery pending");
  f.bit(16, "masked");
}

bool is_one_of(const std::string& name, std::initializer_list<const char*> list) {
  for (const char* item : list)
    if (name == item) return true;
  return false;
}

}  // namespace

std::string in_words(u64 value, const CheckValue& meaning) {
  if (meaning.kind == CheckValue::Kind::Fault) return fault(value);
  if (meaning.kind == CheckValue::Kind::Number) return plain(value);
  const std::string& reg = meaning.reg;
  Fields f(value);
  if (is_one_of(reg, {"global_ctrl", "global_inuse"}))
    counters(f);
  else if (is_one_of(reg, {"global_status", "global_status_reset", "global_status_set"}))
    status(f);
  else if (is_one_of(reg, {"gp_selector", "k7_selector", "core_selector", "intel_selector"}))
    selector(f, value);
  else if (reg == "fixed_ctrl")
    fixed_control(f);
  else if (reg == "debugctl")
    debugctl(f);
  else if (reg == "perf_capabilities")
    perf_capabilities(f);
  else if (reg == "lvtpc")
    lvtpc(f);
  else
    return plain(value);
  return fmt::format("0x{:x}{}", value, f.text());
}

}  // namespace pmusim::conformance
