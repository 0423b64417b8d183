// SPDX-License-Identifier: Apache-2.0
// What the decoder says an instruction is: that it always says something, and what closed forms rely on.
#include "core/decode/decode.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <array>
#include <string>
#include <vector>

namespace pmusim::core::test {
namespace {

using Bytes = std::vector<u8>;

std::string text(const Bytes& code) {
  std::string s;
  for (const u8 byte : code) s += fmt::format("{:02x} ", byte);
  return s;
}

constexpr unsigned kModes[] = {2, 4, 8};

Operation operation(Bytes code, unsigned mode = 8, bool amd = false) {
  code.resize(code.size() < kMaxInstructionBytes ? kMaxInstructionBytes : code.size());
  DecodedInstruction to;
  REQUIRE(decode(code.data(), kMaxInstructionBytes, 0x1000, mode, {Features::all(), amd}, to));
  return to.what;
}

// Every opcode of every map, with the prefixes that choose among instructions, and for each value of ModRM's
// reg field a memory operand and all registers.
template <class F>
void for_every_encoding(F f) {
  const Bytes prefixes[] = {{},     {0x66},       {0xf3},       {0xf2},  // and with REX.W:
                            {0x48}, {0x66, 0x48}, {0xf3, 0x48}, {0xf2, 0x48}};
  const Bytes maps[] = {{}, {0x0f}, {0x0f, 0x38}, {0x0f, 0x3a}};
  std::vector<Bytes> starts;
  for (const Bytes& prefix : prefixes)
    for (const Bytes& map : maps) {
      starts.push_back(prefix);
      starts.back().insert(starts.back().end(), map.begin(), map.end());
    }
  for (const u8 map : {0xe2, 0xe3})  // VEX: the maps of 0F 38 and 0F 3A
    for (u8 prefix = 0; prefix < 4; ++prefix) starts.push_back({0xc4, map, static_cast<u8>(0x78 | prefix)});
  for (Bytes& code : starts) {
    code.resize(code.size() + 2);
    for (unsigned opcode = 0; opcode < 256; ++opcode) {
      code[code.size() - 2] = static_cast<u8>(opcode);
      for (unsigned modrm = 0; modrm < 256; ++modrm) {
        if (modrm < 0xc0 && (modrm & 7 || modrm >= 0x40)) continue;
        code.back() = static_cast<u8>(modrm);
        f(code);
      }
    }
  }
}

}  // namespace

TEST_CASE("every encoding is given an operation, and every operation has an encoding") {
  std::array<bool, static_cast<std::size_t>(Op::NUMBER)> met{};
  for_every_encoding([&](const Bytes& code) {
    for (const unsigned mode : kModes) {
      const Op op = operation(code, mode).op;
      if (op == Op::NONE) {
        CAPTURE(text(code));
        CAPTURE(mode);
        FAIL("an instruction without an operation");
      }
      met[static_cast<std::size_t>(op)] = true;
    }
  });
  met[static_cast<std::size_t>(operation(Bytes(16, 0x66)).op)] = true;  // TOO_LONG
  CHECK_FALSE(met[0]);
  for (std::size_t op = 1; op < met.size(); ++op) {
    CAPTURE(op);
    CHECK(met[op]);
  }
}

TEST_CASE(
    "loops, waiting loops and the run loop find the instructions that they know by operation and form") {
  const struct {
    Bytes code;
    Op op;
    Form form;
  } rows[] = {
      {{0x90}, Op::NOP, Form::None},
      {{0x0f, 0x1f, 0x00}, Op::NOP, Form::MemReg},  // nop [rax]
      {{0x0f, 0x18, 0x08}, Op::NOP, Form::Mem},     // prefetcht0 [rax]
      {{0xf3, 0x90}, Op::PAUSE, Form::None},
      {{0x48, 0x8d, 0x40, 0x08}, Op::LEA, Form::RegMem},  // lea rax, [rax + 8]
      {{0x48, 0xff, 0xc0}, Op::INC, Form::Reg},
      {{0x48, 0xff, 0x00}, Op::INC, Form::Mem},
      {{0x48, 0xff, 0xc8}, Op::DEC, Form::Reg},
      {{0x48, 0x83, 0xc0, 0x01}, Op::ADD, Form::RegImm},  // add rax, 1
      {{0x48, 0x01, 0xc8}, Op::ADD, Form::RegReg},
      {{0x48, 0x03, 0x01}, Op::ADD, Form::RegMem},
      {{0x48, 0x01, 0x01}, Op::ADD, Form::MemReg},
      {{0x48, 0x83, 0x00, 0x01}, Op::ADD, Form::MemImm},
      {{0x48, 0x83, 0xd0, 0x01}, Op::ADC, Form::RegImm},
      {{0x48, 0x83, 0xe8, 0x01}, Op::SUB, Form::RegImm},
      {{0x48, 0x83, 0xd8, 0x01}, Op::SBB, Form::RegImm},
      {{0x48, 0x83, 0xf8, 0x01}, Op::CMP, Form::RegImm},
      {{0x48, 0x39, 0xc8}, Op::CMP, Form::RegReg},
      {{0x48, 0x85, 0xc0}, Op::TEST, Form::RegReg},
      {{0x48, 0x09, 0xd0}, Op::OR, Form::RegReg},
      {{0x48, 0x89, 0xc8}, Op::MOV, Form::RegReg},
      {{0x63, 0xc1}, Op::MOV, Form::RegReg},               // movsxd eax, ecx
      {{0x48, 0x63, 0xc1}, Op::MOVSX, Form::RegReg},       // movsxd rax, ecx
      {{0x8c, 0xd8}, Op::MOV_FROM_SEGMENT, Form::RegReg},  // mov eax, ds
      {{0x48, 0xc1, 0xe0, 0x20}, Op::SHL, Form::RegImm},   // shl rax, 32
      {{0x48, 0xd1, 0xe0}, Op::SHL, Form::RegImm},         // shl rax, 1
      {{0x48, 0xd3, 0xe0}, Op::SHL, Form::RegReg},         // shl rax, cl
      {{0x48, 0xc1, 0xe8, 0x20}, Op::SHR, Form::RegImm},
      {{0x75, 0xfe}, Op::JCC, Form::Imm},
      {{0x0f, 0x85, 0, 0, 0, 0}, Op::JCC, Form::Imm},
      {{0xeb, 0xfe}, Op::JMP, Form::Imm},
      {{0xff, 0xe0}, Op::JMP, Form::Reg},
      {{0xff, 0x20}, Op::JMP, Form::Mem},
      {{0xe2, 0xfe}, Op::LOOP, Form::Imm},
      {{0xe3, 0xfe}, Op::JRCXZ, Form::Imm},
      {{0x0f, 0x31}, Op::RDTSC, Form::None},
      {{0x0f, 0x01, 0xf9}, Op::RDTSCP, Form::None},
      {{0x48, 0xcf}, Op::IRET, Form::None},
      {{0x48, 0xcb}, Op::RET_FAR, Form::None},
      {{0x0f, 0x05}, Op::SYSCALL, Form::None},
      {{0x0f, 0x34}, Op::SYSENTER, Form::None},
  };
  for (const auto& row : rows) {
    CAPTURE(text(row.code));
    const Operation what = operation(row.code);
    CHECK(what.op == row.op);
    CHECK(what.form == row.form);
  }
}

TEST_CASE("what a CPU does not have is UNDEFINED there, what is not implemented UNIMPLEMENTED") {
  const u8 popcnt[] = {0xf3, 0x0f, 0xb8, 0xc1};
  DecodedInstruction to;
  Features without = Features::all();
  without.set(Feature::Popcnt, false);
  REQUIRE(decode(popcnt, sizeof popcnt, 0, 8, {without, false}, to));
  CHECK(to.what.is(Op::UNDEFINED));
  REQUIRE(decode(popcnt, sizeof popcnt, 0, 8, {Features::all(), false}, to));
  CHECK(to.what.is(Op::POPCNT));
  CHECK(operation({0x0f, 0x0b}).is(Op::UNDEFINED));      // UD2
  CHECK(operation({0xd9, 0xfe}).is(Op::UNIMPLEMENTED));  // FSIN
  CHECK(operation({0xf3, 0x41, 0x90}).is(Op::PAUSE));
  CHECK(operation({0xf3, 0x41, 0x90}, 8, true).is(Op::XCHG));
}

}  // namespace pmusim::core::test
