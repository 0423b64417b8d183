// SPDX-License-Identifier: Apache-2.0
// The compiler's expected counts against an independent reading of the bytes it emitted: Zydis decodes them,
// and this walks the control flow, following registers and the zero flag as far as such programs use them.
#include <Zydis/Zydis.h>
#include <doctest/doctest.h>

#include <map>
#include <string>
#include <vector>

#include "base/data.h"
#include "conformance/language/case.h"
#include "guests/case/payload.h"

using namespace pmusim;
using namespace pmusim::conformance;

namespace {

struct Tally {
  u64 instructions = 0, branches = 0, taken = 0, cond = 0, calls = 0, returns = 0, loads = 0, stores = 0,
      locked = 0;
  u64 emulated = 0;
};

class Walk {
 public:
  Walk(const Case& c, const ProgramInfo& p) : case_(c), program_(p) {
    ZydisDecoderInit(&decoder_, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  }

  void run() {
    u64 at = program_.address;
    while (at) at = step(at);
  }

  Tally kernel, user;

 private:
  const u8* bytes(u64 address) const { return case_.payload.data() + (address - CASE_PAYLOAD_ADDRESS); }

  static ZydisRegister wide(ZydisRegister r) {
    return ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, r);
  }

  void bare_iret() {  // a handler of one IRETQ
    ++kernel.instructions;
    ++kernel.branches;
    ++kernel.taken;
  }

  // Executes the instruction at `at`; the address of the next, 0 at the end.
  u64 step(u64 at) {
    bool forced = false;
    if (bytes(at)[0] == 0x0f && bytes(at)[1] == 0x0b) {
      if (std::string(reinterpret_cast<const char*>(bytes(at)) + 2, 3) != "kvm") {
        in_user_ = false;  // UD2 leaves CPL 3 and does not retire
        return program_.landing;
      }
      forced = true;
      at += 5;
    }
    ZydisDecodedInstruction i;
    ZydisDecodedOperand o[ZYDIS_MAX_OPERAND_COUNT];
    const ZyanStatus status = ZydisDecoderDecodeFull(&decoder_, bytes(at), 15, &i, o);
    REQUIRE(ZYAN_SUCCESS(status));
    const u64 next = at + i.length;
    Tally t;
    t.instructions = 1;
    t.emulated = forced;
    t.locked = (i.attributes & ZYDIS_ATTRIB_HAS_LOCK) != 0;
    const bool system = i.mnemonic == ZYDIS_MNEMONIC_IRETQ || i.mnemonic == ZYDIS_MNEMONIC_INT;
    for (unsigned k = 0; k < i.operand_count && !system; ++k) {
      if (o[k].type != ZYDIS_OPERAND_TYPE_MEMORY || i.mnemonic == ZYDIS_MNEMONIC_LEA ||
          i.mnemonic == ZYDIS_MNEMONIC_NOP) {
        continue;
      }
      if (o[k].actions & ZYDIS_OPERAND_ACTION_MASK_READ) t.loads = 1;
      if (o[k].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) t.stores = 1;
    }
    const u64 target = o[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE ? next + o[0].imm.value.u : 0;
    u64 to = next;
    const auto branch = [&](bool is_taken, u64 where) {
      t.branches = 1;
      t.taken = is_taken;
      if (is_taken) to = where;
    };
    bool ends = false;
    switch (i.mnemonic) {
      case ZYDIS_MNEMONIC_MOV:
        if (o[0].type == ZYDIS_OPERAND_TYPE_REGISTER && o[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
          registers_[wide(o[0].reg.value)] = o[1].imm.value.u;
        }
        break;
      case ZYDIS_MNEMONIC_XOR:
        zero_ = true;
        break;
      case ZYDIS_MNEMONIC_SUB:
        zero_ = (registers_[wide(o[0].reg.value)] -= o[1].imm.value.u) == 0;
        break;
      case ZYDIS_MNEMONIC_LEA:
        registers_[ZYDIS_REGISTER_RAX] = next + o[1].mem.disp.value;
        break;
      case ZYDIS_MNEMONIC_JMP:
        branch(true, o[0].type == ZYDIS_OPERAND_TYPE_REGISTER ? registers_[o[0].reg.value] : target);
        break;
      case ZYDIS_MNEMONIC_JZ:
        t.cond = 1;
        branch(zero_, target);
        break;
      case ZYDIS_MNEMONIC_JNZ:
        t.cond = 1;
        branch(!zero_, target);
        break;
      case ZYDIS_MNEMONIC_LOOP:
        t.cond = 1;
        branch(--registers_[ZYDIS_REGISTER_RCX] != 0, target);
        break;
      case ZYDIS_MNEMONIC_CALL:
        t.calls = 1;
        branch(true, target);
        stack_.push_back(next);
        break;
      case ZYDIS_MNEMONIC_RET:
        ends = stack_.empty();
        if (!ends) {
          t.returns = 1;
          branch(true, stack_.back());
          stack_.pop_back();
        }
        break;
      case ZYDIS_MNEMONIC_INT:
        branch(true, next);
        bare_iret();
        break;
      case ZYDIS_MNEMONIC_HLT:
        bare_iret();
        break;
      case ZYDIS_MNEMONIC_IRETQ:
        branch(true, program_.user_address);
        break;
      case ZYDIS_MNEMONIC_WRMSR:
        started_ = true;
        break;
      default:
        break;
    }
    // What follows the last WRMSR is not counted, nor is that WRMSR: held back until another instruction
    // shows that it was not the last.
    if (ends) return 0;
    if (started_)
      note(t, i.mnemonic == ZYDIS_MNEMONIC_WRMSR,
           i.mnemonic == ZYDIS_MNEMONIC_MOV && o[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
               o[0].reg.value == ZYDIS_REGISTER_RSP);
    if (i.mnemonic == ZYDIS_MNEMONIC_IRETQ) in_user_ = true;
    return to;
  }

  void note(const Tally& t, bool is_wrmsr, bool restores_stack) {
    if (restores_stack) {
      held_ = Tally{};  // the WRMSR before it was the disabling one
      return;
    }
    add(held_);
    held_ = Tally{};
    if (is_wrmsr) {
      held_ = t;
    } else {
      add(t);
    }
  }

  void add(const Tally& t) {
    Tally& s = in_user_ ? user : kernel;
    s.instructions += t.instructions;
    s.branches += t.branches;
    s.taken += t.taken;
    s.cond += t.cond;
    s.calls += t.calls;
    s.returns += t.returns;
    s.loads += t.loads;
    s.stores += t.stores;
    s.locked += t.locked;
    s.emulated += t.emulated;
  }

  const Case& case_;
  const ProgramInfo& program_;
  ZydisDecoder decoder_;
  std::map<ZydisRegister, u64> registers_;
  std::vector<u64> stack_;
  Tally held_;
  bool zero_ = false, started_ = false, in_user_ = false;
};

void compare(const Case& c) {
  for (const ProgramInfo& p : c.programs) {
    CAPTURE(c.id);
    CAPTURE(p.name);
    Walk walk(c, p);
    walk.run();
    for (const auto& [prefix, t] :
         {std::pair<std::string, const Tally*>{"os_", &walk.kernel}, {"user_", &walk.user}}) {
      CAPTURE(prefix);
      CHECK(p.expected.at(prefix + "instructions") == t->instructions);
      CHECK(p.expected.at(prefix + "branches") == t->branches);
      CHECK(p.expected.at(prefix + "taken") == t->taken);
      CHECK(p.expected.at(prefix + "cond") == t->cond);
      CHECK(p.expected.at(prefix + "calls") == t->calls);
      CHECK(p.expected.at(prefix + "returns") == t->returns);
      CHECK(p.expected.at(prefix + "loads") == t->loads);
      CHECK(p.expected.at(prefix + "stores") == t->stores);
      CHECK(p.expected.at(prefix + "locked") == t->locked);
      CHECK(p.expected.at(prefix + "emulated") == t->emulated);
    }
    CHECK(p.expected.at("instructions") == walk.kernel.instructions + walk.user.instructions);
  }
}

Case with_programs(const std::string& programs) {
  return parse_case(
      R"({"id":"p","title":"A program for the test","area":"RDPMC","sources":["test"],"programs":)" +
          programs + R"(,"steps":[{"rdmsr":"tsc","as":"t"},{"check":"t != 0"}]})",
      "p.json");
}

}  // namespace

TEST_CASE("the expected counts of every shipped case's programs are those of the emitted bytes") {
  for (const Case& c : load_cases(data_path("conformance/cases"))) compare(c);
}

TEST_CASE("the expected counts of every program item are those of the emitted bytes") {
  compare(with_programs(R"({
    "all": [{"nop":3},{"alu":2},{"fence":1},{"pause":2},{"jump":2},{"indirect_jump":3},{"branch":"taken","times":3},
      {"branch":"not_taken"},{"call":2},{"load":5,"stride":64},{"store":4},{"rmw":3,"stride":8},{"locked":2},
      {"rep_stos":40},{"enter_leave":2},{"cpuid":2},{"rdtsc":true},{"rdtsc":true,"as":"a"},{"rdpmc":0,"as":"b"},{"rdmsr":"tsc","as":"c"},
      {"wrmsr":"tsc","value":1},{"out":128,"value":3},{"in":97},{"software_interrupt":2},{"halt":true}],
    "nested": [{"loop":3,"body":[{"call":1},{"loop":1,"body":[{"loop":4,"with":"loop","body":[{"nop":1}]}]},
      {"branch":"not_taken","times":2},{"software_interrupt":1},{"wrmsr":"tsc","value":1}]},{"nop":1}],
    "forced": [{"emulated":[{"nop":2},{"cpuid":2},{"jump":2},{"indirect_jump":2},{"branch":"taken","times":2},
      {"call":2},{"load":2},{"store":1},{"rdtsc":true}]}],
    "user": {"cpl":3,"code":[{"loop":7,"body":[{"load":1},{"call":1}]},{"software_interrupt":2},{"rdtsc":true,"as":"d"}]},
    "empty": []
  })"));
}

TEST_CASE("an empty program counts the enabling WRMSR and the three moves before the disabling one") {
  const Case c = with_programs(R"({"empty": []})");
  CHECK(c.programs[0].expected.at("instructions") == 4);
  CHECK(c.programs[0].expected.at("branches") == 0);
}

TEST_CASE("a mark knows how many instructions are counted before it") {
  const Case c = with_programs(R"({"p": [{"nop":5},{"mark":"here"},{"nop":2}]})");
  CHECK(c.programs[0].expected.at("at_here") == 6);  // the enabling WRMSR and five NOPs
  CHECK(c.payload.at(c.programs[0].expected.at("address_here") - CASE_PAYLOAD_ADDRESS) == 0x90);
}
