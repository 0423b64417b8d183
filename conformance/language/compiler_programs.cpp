// SPDX-License-Identifier: Apache-2.0
// Measured programs: from the items of the JSON to code and expected counts.
#include <algorithm>

#include "conformance/language/compiler.h"
#include "conformance/language/encoder.h"

namespace pmusim::conformance {
namespace {

constexpr u64 kMaxTimes = 0x7fffffff;           // of a loop
constexpr u64 kMaxUnrolled = 4096;              // of an item that is emitted n times
constexpr u64 kMaxInstructions = u64{1} << 40;  // of a program

const std::vector<std::string>& item_verbs() {
  static const std::vector<std::string> verbs = {
      "nop",         "alu",   "fence", "pause", "jump",   "indirect_jump",      "branch", "call",
      "enter_leave", "load",  "store", "rmw",   "locked", "rep_stos",           "cpuid",  "rdtsc",
      "rdpmc",       "rdmsr", "wrmsr", "out",   "in",     "software_interrupt", "halt",   "loop",
      "emulated",    "mark"};
  return verbs;
}

std::string verb_of(const JsonView& object, const std::vector<std::string>& verbs, const char* what) {
  std::string found;
  for (const std::string& key : object.keys()) {
    if (std::find(verbs.begin(), verbs.end(), key) == verbs.end()) continue;
    if (!found.empty()) object.fail("both '" + found + "' and '" + key + "'", std::string("one ") + what);
    found = key;
  }
  if (found.empty()) {
    const auto keys = object.keys();
    object.fail(keys.empty() ? "an empty object" : "'" + keys[0] + "'",
                std::string("a ") + what + ": " + expected_one_of(keys.empty() ? "" : keys[0], verbs));
  }
  return found;
}

u64 repetitions(const JsonView& item, const std::string& verb) {
  const u64 n = item.at(verb).as_u64(kMaxUnrolled);
  if (n == 0) item.at(verb).fail("0", "at least 1");
  return n;
}

void user_forbidden(const Encoder& e, const JsonView& item, const std::string& verb) {
  if (e.user_address()) item.fail("'" + verb + "' in a program at CPL 3", "cpl 0, as it would fault");
}

bool clobbers_ecx(const JsonView& items) {
  static const char* const clobbering[] = {"cpuid", "rdpmc", "rdmsr", "wrmsr", "rep_stos"};
  for (const JsonView& item : items.items()) {
    for (const char* verb : clobbering) {
      if (item.has(verb)) return true;
    }
    if (item.has("loop") && (item.get_string("with", "dec") == "loop" || clobbers_ecx(item.at("body"))))
      return true;
    if (item.has("emulated") && clobbers_ecx(item.at("emulated"))) return true;
  }
  return false;
}

}  // namespace

u32 CaseCompiler::add_slot(const JsonView& item, u32 kind) {
  const u32 first = programs_.back().first_slot, n = static_cast<u32>(pending_slots_.size()) - first;
  if (n >= CASE_MAX_SLOTS)
    item.fail("too many accesses in a program", "at most " + std::to_string(CASE_MAX_SLOTS));
  PendingSlot p{item, {kind, 0, 0, 0, target(item, "as")}};
  pending_slots_.push_back(std::move(p));
  ++programs_.back().slot_count;
  return n;
}

void CaseCompiler::bind_slots(const case_program& program) {
  slots_.resize(pending_slots_.size());
  for (u32 i = program.first_slot; i < program.first_slot + program.slot_count; ++i) {
    PendingSlot& p = pending_slots_[i];
    if (p.bound) continue;
    p.bound = true;
    case_slot s = p.slot;
    if (s.kind == SLOT_RDMSR || s.kind == SLOT_WRMSR) {
      const JsonView view = p.item.at(s.kind == SLOT_RDMSR ? "rdmsr" : "wrmsr");
      const RegisterName r = register_name(view);
      s.reg = r.reg;
      if (!r.index.empty()) s.index = emit(parse(view, r.index, r.index_column));
      if (s.kind == SLOT_WRMSR) s.value = emit(p.item.at("value"));
    } else if (s.kind == SLOT_RDPMC) {
      s.index = emit(p.item.at("rdpmc"));
    }
    slots_[i] = s;
  }
}

void CaseCompiler::compile_item(Encoder& e, const JsonView& item, std::map<std::string, u64>& marks) {
  const std::string verb = verb_of(item, item_verbs(), "program item");
  const auto keys = [&](std::vector<std::string> more) {
    more.push_back(verb);
    item.only_keys(more);
  };
  const auto repeated = [&](void (Encoder::*emit_n)(u64)) {
    keys({});
    (e.*emit_n)(repetitions(item, verb));
  };
  const auto strided = [&](void (Encoder::*emit_n)(u64, u64)) {
    keys({"stride"});
    const u64 stride = item.get_u64("stride", 8, CASE_BUFFER_SIZE);
    if (stride % 8) item.at("stride").fail(std::to_string(stride), "a multiple of 8");
    (e.*emit_n)(repetitions(item, verb), stride);
  };
  if (verb == "nop") return repeated(&Encoder::nop);
  if (verb == "alu") return repeated(&Encoder::alu);
  if (verb == "fence") return repeated(&Encoder::fence);
  if (verb == "pause") return repeated(&Encoder::pause);
  if (verb == "jump") return repeated(&Encoder::jump);
  if (verb == "indirect_jump") return repeated(&Encoder::indirect_jump);
  if (verb == "call") return repeated(&Encoder::call);
  if (verb == "enter_leave") return repeated(&Encoder::enter_leave);
  if (verb == "locked") return repeated(&Encoder::locked);
  if (verb == "cpuid") return repeated(&Encoder::cpuid);
  if (verb == "software_interrupt") return repeated(&Encoder::software_interrupt);
  if (verb == "load") return strided(&Encoder::load);
  if (verb == "store") return strided(&Encoder::store);
  if (verb == "rmw") return strided(&Encoder::read_modify_write);
  if (verb == "branch") {
    keys({"times"});
    const u64 times = item.get_u64("times", 1, kMaxUnrolled);
    if (times == 0) item.at("times").fail("0", "at least 1");
    return e.conditional(times, item.at("branch").one_of({"taken", "not_taken"}) == "taken");
  }
  if (verb == "rep_stos") {
    keys({});
    return e.rep_stos(item.at(verb).as_u64(CASE_BUFFER_SIZE));
  }
  if (verb == "rdtsc") {
    keys({"as"});
    if (!item.at(verb).as_bool()) item.at(verb).fail("false", "true");
    const u32 slot = item.has("as") ? add_slot(item, SLOT_VALUE) : 0;
    e.rdtsc();
    if (item.has("as")) e.keep(slot);
    return;
  }
  if (verb == "rdpmc" || verb == "rdmsr") {
    keys({"as"});
    if (verb == "rdmsr") user_forbidden(e, item, verb);
    const u32 slot = add_slot(item, verb == "rdpmc" ? SLOT_RDPMC : SLOT_RDMSR);
    if (verb == "rdpmc") {
      e.rdpmc(slot);
    } else {
      e.rdmsr(slot);
    }
    if (item.has("as")) e.keep(slot);
    return;
  }
  if (verb == "wrmsr") {
    keys({"value"});
    user_forbidden(e, item, verb);
    if (!item.has("value")) item.fail("wrmsr without a value", "\"value\"");
    return e.wrmsr(add_slot(item, SLOT_WRMSR));
  }
  if (verb == "out" || verb == "in") {
    keys({"value"});
    user_forbidden(e, item, verb);
    const u16 port = static_cast<u16>(item.at(verb).as_u64(0xffff));
    if (verb == "in") return e.in(port);
    return e.out(port, static_cast<u32>(item.get_u64("value", 0, 0xffffffff)));
  }
  if (verb == "halt") {
    keys({});
    user_forbidden(e, item, verb);
    if (!item.at(verb).as_bool()) item.at(verb).fail("false", "true");
    if (programs_.back().uses_timer || e.loop_depth())
      item.fail("a second halt, or one in a loop", "one per program");
    programs_.back().uses_timer = 1;
    return e.halt();
  }
  if (verb == "mark") {
    keys({});
    const std::string label = item.at(verb).as_string();
    if (e.loop_depth()) item.fail("a mark in a loop", "a place that is passed once");
    if (marks.count("at_" + label)) item.fail("a second mark '" + label + "'", "labels that differ");
    marks["at_" + label] = e.kernel().instructions + e.user().instructions;
    marks["address_" + label] = e.here();
    return;
  }
  if (verb == "emulated") {
    keys({});
    static const std::vector<std::string> allowed = {
        "nop", "alu",    "pause", "jump",  "indirect_jump", "branch", "call",  "enter_leave", "load", "store",
        "rmw", "locked", "cpuid", "rdtsc", "rdpmc",         "rdmsr",  "wrmsr", "out",         "in"};
    for (const JsonView& inner : item.at(verb).items()) {
      const std::string inner_verb = verb_of(inner, item_verbs(), "program item");
      if (std::find(allowed.begin(), allowed.end(), inner_verb) == allowed.end()) {
        inner.fail("'" + inner_verb + "' under forced emulation", expected_one_of(inner_verb, allowed));
      }
    }
    e.set_forced_emulation(true);
    compile_items(e, item.at(verb), marks);
    e.set_forced_emulation(false);
    return;
  }
  keys({"body", "with"});
  const u64 times = item.at("loop").as_u64(kMaxTimes);
  if (times == 0) item.at("loop").fail("0", "at least 1");
  if (e.loop_depth() == Encoder::kMaxLoopDepth) {
    item.fail("loops nested deeper", "at most " + std::to_string(Encoder::kMaxLoopDepth));
  }
  const bool loop_instruction = item.has("with") && item.at("with").one_of({"dec", "loop"}) == "loop";
  if (!item.has("body")) item.fail("a loop without a body", "\"body\"");
  if (loop_instruction && clobbers_ecx(item.at("body"))) {
    item.fail("a body that uses ECX in a LOOP", "\"with\": \"dec\"");
  }
  const u32 start = e.here();
  const Encoder::Loop loop = e.begin_loop(times, loop_instruction);
  compile_items(e, item.at("body"), marks);
  if (loop_instruction && e.here() - start > 120)
    item.fail("a LOOP body of more than 120 bytes", "\"with\": \"dec\"");
  e.end_loop(loop);
  if (e.kernel().instructions + e.user().instructions > kMaxInstructions) {
    item.fail("a program of more than 2^40 instructions", "fewer");
  }
}

void CaseCompiler::compile_items(Encoder& e, const JsonView& items, std::map<std::string, u64>& marks) {
  for (const JsonView& item : items.items()) attempt([&] { compile_item(e, item, marks); });
}

void CaseCompiler::compile_program(const std::string& name, const JsonView& view) {
  const bool plain = view.is_array();
  if (!plain) view.only_keys({"cpl", "code"});
  const u64 cpl = plain ? 0 : view.get_u64("cpl", 0, 3);
  if (cpl == 1 || cpl == 2) view.at("cpl").fail(std::to_string(cpl), "0 or 3");
  while (code_.size() % 64) code_.push_back(0xcc);
  const u32 offset = code_base() + static_cast<u32>(code_.size());
  case_program p{};
  p.name = text(name);
  p.code = offset;
  p.first_slot = static_cast<u32>(pending_slots_.size());
  programs_.push_back(p);
  Encoder e(CASE_PAYLOAD_ADDRESS + offset);
  std::map<std::string, u64> marks;
  e.begin(cpl == 3);
  compile_items(e, plain ? view : view.at("code"), marks);
  e.end();
  if (e.code().size() > 0x100000) view.fail("a program of more than 1 MiB", "fewer items, or loops");
  case_program& q = programs_.back();
  q.size = static_cast<u32>(e.code().size());
  q.landing = e.landing() ? e.landing() - CASE_PAYLOAD_ADDRESS : 0;
  code_.insert(code_.end(), e.code().begin(), e.code().end());

  ProgramInfo info;
  info.name = name;
  info.address = CASE_PAYLOAD_ADDRESS + offset;
  info.size = q.size;
  info.cpl = static_cast<unsigned>(cpl);
  info.user_address = e.user_address();
  info.landing = e.landing();
  info.expected = marks;
  for (std::size_t i = q.first_slot; i < pending_slots_.size(); ++i) {
    info.writes_msrs |= pending_slots_[i].slot.kind == SLOT_WRMSR;
  }
  const Counts &k = e.kernel(), &u = e.user();
  const std::pair<const char*, u64 Counts::*> fields[] = {{"instructions", &Counts::instructions},
                                                          {"branches", &Counts::branches},
                                                          {"taken", &Counts::taken},
                                                          {"cond", &Counts::conditional},
                                                          {"calls", &Counts::calls},
                                                          {"returns", &Counts::returns},
                                                          {"loads", &Counts::loads},
                                                          {"stores", &Counts::stores},
                                                          {"locked", &Counts::locked},
                                                          {"emulated", &Counts::emulated}};
  for (const auto& [field, member] : fields) {
    info.expected[field] = k.*member + u.*member;
    info.expected[std::string("os_") + field] = k.*member;
    info.expected[std::string("user_") + field] = u.*member;
  }
  for (const auto& [field, value] : info.expected) names_.constant(name + "." + field, value);
  case_.programs.push_back(std::move(info));
}

void CaseCompiler::compile_programs(const JsonView& programs) {
  for (const std::string& name : programs.keys()) {
    const std::size_t before = case_.programs.size();
    if (attempt([&] { compile_program(name, programs.at(name)); })) continue;
    // Steps may still measure it.
    case_.programs.resize(before + 1);
    case_.programs[before].name = name;
    programs_.resize(before + 1);
  }
}

}  // namespace pmusim::conformance
