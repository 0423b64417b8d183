// SPDX-License-Identifier: Apache-2.0
// Machine code of measured programs.
#include "conformance/language/encoder.h"

#include <Zydis/Zydis.h>

#include <cstddef>
#include <cstring>
#include <initializer_list>
#include <stdexcept>

#include "guests/case/payload.h"

namespace pmusim::conformance {
namespace {

using Operand = ZydisEncoderOperand;

constexpr u8 kForcedEmulation[] = {0x0f, 0x0b, 'k', 'v', 'm'};
constexpr u8 kSoftwareVector = 0x50;               // RT_VECTOR_SOFTWARE of guests/runtime/rt.h
constexpr s64 kUserCode = 0x23, kUserData = 0x1b;  // RT_USER_CODE, RT_USER_DATA with RPL 3
constexpr unsigned kSlotBase = offsetof(case_frame, slots);
constexpr unsigned kSlotSize = sizeof(case_frame::slots[0]);
constexpr ZydisRegister kLoopRegisters[Encoder::kMaxLoopDepth] = {
    ZYDIS_REGISTER_EBP, ZYDIS_REGISTER_R12D, ZYDIS_REGISTER_R13D, ZYDIS_REGISTER_R14D, ZYDIS_REGISTER_R15D};

Operand reg(ZydisRegister r) {
  Operand o{};
  o.type = ZYDIS_OPERAND_TYPE_REGISTER;
  o.reg.value = r;
  return o;
}

Operand imm(s64 value) {
  Operand o{};
  o.type = ZYDIS_OPERAND_TYPE_IMMEDIATE;
  o.imm.s = value;
  return o;
}

Operand mem(ZydisRegister base, s64 displacement, u16 size) {
  Operand o{};
  o.type = ZYDIS_OPERAND_TYPE_MEMORY;
  o.mem.base = base;
  o.mem.displacement = displacement;
  o.mem.size = size;
  return o;
}

Operand frame(std::size_t field, u16 size) {
  return mem(ZYDIS_REGISTER_R8, static_cast<s64>(field), size);
}

// Places in a slot: MSR number or ECX, then EAX, then EDX.
Operand slot(u32 n, unsigned word) {
  return frame(kSlotBase + n * kSlotSize + 4 * word, 4);
}

}  // namespace

struct Encoder::Request {
  Request(ZydisMnemonic m, std::initializer_list<Operand> operands) {
    z.machine_mode = ZYDIS_MACHINE_MODE_LONG_64;
    z.mnemonic = m;
    for (const Operand& o : operands) z.operands[z.operand_count++] = o;
  }
  Request& loads() {
    reads = true;
    return *this;
  }
  Request& stores() {
    writes = true;
    return *this;
  }
  Request& branches(bool is_taken = true) {
    branch = true;
    taken = is_taken;
    return *this;
  }
  Request& prefix(ZydisInstructionAttributes p) {
    z.prefixes |= p;
    return *this;
  }

  ZydisEncoderRequest z{};
  bool reads = false, writes = false, branch = false, taken = false;
};

Encoder::Encoder(u32 address) : address_(address) {}

void Encoder::emit(const Request& request) {
  u8 bytes[ZYDIS_MAX_INSTRUCTION_LENGTH];
  ZyanUSize length = sizeof bytes;
  const ZyanStatus status = ZydisEncoderEncodeInstruction(&request.z, bytes, &length);
  if (!ZYAN_SUCCESS(status))
    throw std::logic_error("Zydis cannot encode an instruction of a measured program");
  code_.insert(code_.end(), bytes, bytes + length);
}

void Encoder::instruction(const Request& request) {
  emit(request);
  if (!counting_) return;
  Counts& c = counts();
  c.instructions += times_;
  if (request.reads) c.loads += times_;
  if (request.writes) c.stores += times_;
  if (request.branch) {
    c.branches += times_;
    if (request.taken) c.taken += times_;
  }
}

void Encoder::main_instruction(const Request& request) {
  if (forced_) {
    code_.insert(code_.end(), std::begin(kForcedEmulation), std::end(kForcedEmulation));
    counts().emulated += times_;
  }
  instruction(request);
}

void Encoder::begin(bool user) {
  using R = Request;
  const auto move = [this](ZydisRegister to, const Operand& from) {
    instruction(R(ZYDIS_MNEMONIC_MOV, {reg(to), from}));
  };
  at_user_ = user;
  move(ZYDIS_REGISTER_R8, reg(ZYDIS_REGISTER_RDI));
  instruction(R(ZYDIS_MNEMONIC_MOV, {frame(offsetof(case_frame, saved_rsp), 8), reg(ZYDIS_REGISTER_RSP)}));
  move(ZYDIS_REGISTER_RSI, frame(offsetof(case_frame, buffer), 8));
  move(ZYDIS_REGISTER_R9D, frame(offsetof(case_frame, stop_msr), 4));
  move(ZYDIS_REGISTER_R10D, frame(offsetof(case_frame, stop_low), 4));
  move(ZYDIS_REGISTER_R11D, frame(offsetof(case_frame, stop_high), 4));
  std::size_t rip_place = 0;
  if (user) {
    instruction(R(ZYDIS_MNEMONIC_PUSH, {imm(kUserData)}));
    instruction(R(ZYDIS_MNEMONIC_PUSH, {frame(offsetof(case_frame, user_rsp), 8)}));
    instruction(R(ZYDIS_MNEMONIC_PUSHFQ, {}));
    instruction(R(ZYDIS_MNEMONIC_PUSH, {imm(kUserCode)}));
    instruction(R(ZYDIS_MNEMONIC_PUSH, {imm(0x7fffffff)}));  // replaced below; keeps its 4-byte immediate
    rip_place = code_.size() - 4;
  }
  move(ZYDIS_REGISTER_ECX, frame(offsetof(case_frame, start_msr), 4));
  move(ZYDIS_REGISTER_EAX, frame(offsetof(case_frame, start_low), 4));
  move(ZYDIS_REGISTER_EDX, frame(offsetof(case_frame, start_high), 4));
  counting_ = true;
  instruction(R(ZYDIS_MNEMONIC_WRMSR, {}));
  if (!user) return;
  instruction(R(ZYDIS_MNEMONIC_IRETQ, {}).branches());
  user_address_ = here();
  for (unsigned i = 0; i < 4; ++i) code_[rip_place + i] = static_cast<u8>(user_address_ >> 8 * i);
  in_user_ = true;
}

void Encoder::end() {
  using R = Request;
  if (at_user_) {
    emit(R(ZYDIS_MNEMONIC_UD2, {}));
    landing_ = here();
    in_user_ = false;
  }
  instruction(R(ZYDIS_MNEMONIC_MOV, {reg(ZYDIS_REGISTER_ECX), reg(ZYDIS_REGISTER_R9D)}));
  instruction(R(ZYDIS_MNEMONIC_MOV, {reg(ZYDIS_REGISTER_EAX), reg(ZYDIS_REGISTER_R10D)}));
  instruction(R(ZYDIS_MNEMONIC_MOV, {reg(ZYDIS_REGISTER_EDX), reg(ZYDIS_REGISTER_R11D)}));
  counting_ = false;
  instruction(R(ZYDIS_MNEMONIC_WRMSR, {}));
  instruction(R(ZYDIS_MNEMONIC_MOV, {reg(ZYDIS_REGISTER_RSP), frame(offsetof(case_frame, saved_rsp), 8)}));
  instruction(R(ZYDIS_MNEMONIC_RET, {}));
  for (const std::size_t call_end : calls_) {
    const u32 displacement = static_cast<u32>(code_.size() - call_end);
    for (unsigned i = 0; i < 4; ++i) code_[call_end - 4 + i] = static_cast<u8>(displacement >> 8 * i);
  }
  if (!calls_.empty()) instruction(R(ZYDIS_MNEMONIC_RET, {}));
}

void Encoder::nop(u64 n) {
  while (n--) main_instruction(Request(ZYDIS_MNEMONIC_NOP, {}));
}

void Encoder::alu(u64 n) {
  while (n--) main_instruction(Request(ZYDIS_MNEMONIC_ADD, {reg(ZYDIS_REGISTER_EAX), imm(1)}));
}

void Encoder::fence(u64 n) {
  while (n--) instruction(Request(ZYDIS_MNEMONIC_LFENCE, {}));
}

void Encoder::pause(u64 n) {
  while (n--) main_instruction(Request(ZYDIS_MNEMONIC_PAUSE, {}));
}

void Encoder::jump(u64 n) {
  while (n--) main_instruction(Request(ZYDIS_MNEMONIC_JMP, {imm(0)}).branches());
}

void Encoder::indirect_jump(u64 n) {
  // LEA RAX, [the instruction after the jump]: the jump is 2 bytes, with the forced-emulation prefix 7.
  while (n--) {
    const Operand target = mem(ZYDIS_REGISTER_RIP, 2 + (forced_ ? sizeof kForcedEmulation : 0), 8);
    instruction(Request(ZYDIS_MNEMONIC_LEA, {reg(ZYDIS_REGISTER_RAX), target}));
    main_instruction(Request(ZYDIS_MNEMONIC_JMP, {reg(ZYDIS_REGISTER_RAX)}).branches());
  }
}

void Encoder::conditional(u64 n, bool taken) {
  if (n) instruction(Request(ZYDIS_MNEMONIC_XOR, {reg(ZYDIS_REGISTER_EAX), reg(ZYDIS_REGISTER_EAX)}));
  while (n--) {
    main_instruction(Request(taken ? ZYDIS_MNEMONIC_JZ : ZYDIS_MNEMONIC_JNZ, {imm(0)}).branches(taken));
    counts().conditional += times_;
  }
}

void Encoder::call(u64 n) {
  while (n--) {
    main_instruction(Request(ZYDIS_MNEMONIC_CALL, {imm(0x7fffffff)}).branches().stores());
    calls_.push_back(code_.size());
    Counts& c = counts();  // the RET that it reaches
    c.calls += times_;
    c.returns += times_;
    c.instructions += times_;
    c.branches += times_;
    c.taken += times_;
    c.loads += times_;
  }
}

void Encoder::enter_leave(u64 n) {
  while (n--) {
    main_instruction(Request(ZYDIS_MNEMONIC_ENTER, {imm(0), imm(0)}).stores());
    main_instruction(Request(ZYDIS_MNEMONIC_LEAVE, {}).loads());
  }
}

namespace {
Operand data(u64 i, u64 stride) {
  return mem(ZYDIS_REGISTER_RSI, static_cast<s64>(i * stride % CASE_BUFFER_SIZE), 8);
}
}  // namespace

void Encoder::load(u64 n, u64 stride) {
  for (u64 i = 0; i < n; ++i) {
    main_instruction(Request(ZYDIS_MNEMONIC_MOV, {reg(ZYDIS_REGISTER_RAX), data(i, stride)}).loads());
  }
}

void Encoder::store(u64 n, u64 stride) {
  for (u64 i = 0; i < n; ++i) {
    main_instruction(Request(ZYDIS_MNEMONIC_MOV, {data(i, stride), reg(ZYDIS_REGISTER_RAX)}).stores());
  }
}

void Encoder::read_modify_write(u64 n, u64 stride) {
  for (u64 i = 0; i < n; ++i) {
    main_instruction(
        Request(ZYDIS_MNEMONIC_ADD, {data(i, stride), reg(ZYDIS_REGISTER_RAX)}).loads().stores());
  }
}

void Encoder::locked(u64 n) {
  while (n--) {
    main_instruction(Request(ZYDIS_MNEMONIC_ADD, {data(0, 8), reg(ZYDIS_REGISTER_RAX)})
                         .prefix(ZYDIS_ATTRIB_HAS_LOCK)
                         .loads()
                         .stores());
    counts().locked += times_;
  }
}

void Encoder::rep_stos(u64 bytes) {
  instruction(Request(ZYDIS_MNEMONIC_MOV, {reg(ZYDIS_REGISTER_RDI), reg(ZYDIS_REGISTER_RSI)}));
  instruction(Request(ZYDIS_MNEMONIC_MOV, {reg(ZYDIS_REGISTER_ECX), imm(static_cast<s64>(bytes))}));
  instruction(Request(ZYDIS_MNEMONIC_STOSB, {}).prefix(ZYDIS_ATTRIB_HAS_REP).stores());
}

void Encoder::cpuid(u64 n) {
  while (n--) {
    instruction(Request(ZYDIS_MNEMONIC_XOR, {reg(ZYDIS_REGISTER_EAX), reg(ZYDIS_REGISTER_EAX)}));
    main_instruction(Request(ZYDIS_MNEMONIC_CPUID, {}));
  }
}

void Encoder::rdtsc() {
  main_instruction(Request(ZYDIS_MNEMONIC_RDTSC, {}));
}

void Encoder::rdpmc(u32 n) {
  instruction(Request(ZYDIS_MNEMONIC_MOV, {reg(ZYDIS_REGISTER_ECX), slot(n, 0)}).loads());
  main_instruction(Request(ZYDIS_MNEMONIC_RDPMC, {}));
}

void Encoder::rdmsr(u32 n) {
  instruction(Request(ZYDIS_MNEMONIC_MOV, {reg(ZYDIS_REGISTER_ECX), slot(n, 0)}).loads());
  main_instruction(Request(ZYDIS_MNEMONIC_RDMSR, {}));
}

void Encoder::wrmsr(u32 n) {
  instruction(Request(ZYDIS_MNEMONIC_MOV, {reg(ZYDIS_REGISTER_ECX), slot(n, 0)}).loads());
  instruction(Request(ZYDIS_MNEMONIC_MOV, {reg(ZYDIS_REGISTER_EAX), slot(n, 1)}).loads());
  instruction(Request(ZYDIS_MNEMONIC_MOV, {reg(ZYDIS_REGISTER_EDX), slot(n, 2)}).loads());
  main_instruction(Request(ZYDIS_MNEMONIC_WRMSR, {}));
}

void Encoder::keep(u32 n) {
  instruction(Request(ZYDIS_MNEMONIC_MOV, {slot(n, 1), reg(ZYDIS_REGISTER_EAX)}).stores());
  instruction(Request(ZYDIS_MNEMONIC_MOV, {slot(n, 2), reg(ZYDIS_REGISTER_EDX)}).stores());
}

void Encoder::out(u16 port, u32 value) {
  instruction(Request(ZYDIS_MNEMONIC_MOV, {reg(ZYDIS_REGISTER_EDX), imm(port)}));
  instruction(Request(ZYDIS_MNEMONIC_MOV, {reg(ZYDIS_REGISTER_EAX), imm(static_cast<s32>(value))}));
  main_instruction(Request(ZYDIS_MNEMONIC_OUT, {reg(ZYDIS_REGISTER_DX), reg(ZYDIS_REGISTER_EAX)}));
}

void Encoder::in(u16 port) {
  instruction(Request(ZYDIS_MNEMONIC_MOV, {reg(ZYDIS_REGISTER_EDX), imm(port)}));
  main_instruction(Request(ZYDIS_MNEMONIC_IN, {reg(ZYDIS_REGISTER_EAX), reg(ZYDIS_REGISTER_DX)}));
}

void Encoder::software_interrupt(u64 n) {
  while (n--) {
    instruction(Request(ZYDIS_MNEMONIC_INT, {imm(kSoftwareVector)}).branches());
    kernel_.instructions += times_;  // the handler's IRETQ
    kernel_.branches += times_;
    kernel_.taken += times_;
  }
}

void Encoder::halt() {
  instruction(Request(ZYDIS_MNEMONIC_STI, {}));
  instruction(Request(ZYDIS_MNEMONIC_HLT, {}));
  kernel_.instructions += times_;  // the handler's IRETQ
  kernel_.branches += times_;
  kernel_.taken += times_;
  instruction(Request(ZYDIS_MNEMONIC_CLI, {}));
}

Encoder::Loop Encoder::begin_loop(u64 times, bool loop_instruction) {
  if (depth_ >= kMaxLoopDepth || times == 0) throw std::logic_error("loop outside the encoder's limits");
  const ZydisRegister counter = loop_instruction ? ZYDIS_REGISTER_ECX : kLoopRegisters[depth_];
  instruction(Request(ZYDIS_MNEMONIC_MOV, {reg(counter), imm(static_cast<s64>(times))}));
  Loop loop{times, code_.size(), depth_, loop_instruction};
  ++depth_;
  times_ *= times;
  return loop;
}

void Encoder::end_loop(const Loop& loop) {
  const auto back = [&](ZydisMnemonic mnemonic, ZydisBranchWidth width, unsigned length) {
    Request r(mnemonic, {imm(static_cast<s64>(loop.start) - static_cast<s64>(code_.size() + length))});
    r.z.branch_width = width;
    r.branches();
    instruction(r);
  };
  if (loop.loop_instruction) {
    if (code_.size() + 2 - loop.start > 128) throw std::logic_error("LOOP cannot reach that far");
    back(ZYDIS_MNEMONIC_LOOP, ZYDIS_BRANCH_WIDTH_8, 2);
  } else {
    const ZydisRegister counter = kLoopRegisters[loop.depth];
    instruction(Request(ZYDIS_MNEMONIC_SUB, {reg(counter), imm(1)}));
    back(ZYDIS_MNEMONIC_JNZ, ZYDIS_BRANCH_WIDTH_32, 6);
  }
  counts().conditional += times_;
  times_ /= loop.times;
  counts().taken -= times_;  // the last branch of each round falls through
  --depth_;
}

}  // namespace pmusim::conformance
