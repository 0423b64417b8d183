// SPDX-License-Identifier: Apache-2.0
// What an instruction of tests/support/assembler.h is about: registers by their names, memory, numbers and
// labels.
#pragma once

#include <Zydis/Encoder.h>

#include "base/types.h"

namespace pmusim::test {

struct Label {  // a place in the code that may lie ahead: Assembler::label(), bind()
  unsigned number;
};

// A register, a place in memory, a number, or a label's address as a 32-bit number.
struct Operand {
  ZydisEncoderOperand z{};
  bool is_label = false;
  Operand(ZydisRegister r) {
    z.type = ZYDIS_OPERAND_TYPE_REGISTER;
    z.reg.value = r;
  }
  Operand(Label label) : Operand(0x7fffffff) {  // keeps four bytes
    is_label = true;
    z.mem.displacement = label.number;
  }
  Operand(s64 value) {
    z.type = ZYDIS_OPERAND_TYPE_IMMEDIATE;
    z.imm.s = value;
  }
  Operand(u64 value) : Operand(static_cast<s64>(value)) {}
  Operand(u32 value) : Operand(s64{value}) {}
  Operand(int value) : Operand(s64{value}) {}
  // [base + index * scale + displacement]; the displacement is four bytes, sign-extended.
  Operand(unsigned bytes, ZydisRegister base, u32 displacement, ZydisRegister index = ZYDIS_REGISTER_NONE,
          unsigned scale = 0) {
    z.type = ZYDIS_OPERAND_TYPE_MEMORY;
    z.mem.size = static_cast<u16>(bytes);
    z.mem.base = base;
    z.mem.index = index;
    z.mem.scale = static_cast<u8>(scale);
    z.mem.displacement = static_cast<s32>(displacement);
  }
};

// Memory at an address, or at a register and a displacement: byte(0x500), dword(ebx, 8), qword(rsp).
#define PMUSIM_MEMORY(name, bytes)                                \
  inline Operand name(u32 address) {                              \
    return {bytes, ZYDIS_REGISTER_NONE, address};                 \
  }                                                               \
  inline Operand name(ZydisRegister base, u32 displacement = 0) { \
    return {bytes, base, displacement};                           \
  }
PMUSIM_MEMORY(byte, 1)
PMUSIM_MEMORY(word, 2)
PMUSIM_MEMORY(dword, 4)
PMUSIM_MEMORY(qword, 8)
#undef PMUSIM_MEMORY

#define PMUSIM_REGISTER(name, NAME) inline constexpr ZydisRegister name = ZYDIS_REGISTER_##NAME;
PMUSIM_REGISTER(al, AL)
PMUSIM_REGISTER(bl, BL)
PMUSIM_REGISTER(ax, AX)
PMUSIM_REGISTER(cx, CX)
PMUSIM_REGISTER(dx, DX)
PMUSIM_REGISTER(eax, EAX)
PMUSIM_REGISTER(ecx, ECX)
PMUSIM_REGISTER(edx, EDX)
PMUSIM_REGISTER(ebx, EBX)
PMUSIM_REGISTER(esp, ESP)
PMUSIM_REGISTER(ebp, EBP)
PMUSIM_REGISTER(esi, ESI)
PMUSIM_REGISTER(edi, EDI)
PMUSIM_REGISTER(r14d, R14D)
PMUSIM_REGISTER(r15d, R15D)
PMUSIM_REGISTER(rax, RAX)
PMUSIM_REGISTER(rcx, RCX)
PMUSIM_REGISTER(rdx, RDX)
PMUSIM_REGISTER(rbx, RBX)
PMUSIM_REGISTER(rsp, RSP)
PMUSIM_REGISTER(rsi, RSI)
PMUSIM_REGISTER(r14, R14)
PMUSIM_REGISTER(r15, R15)
PMUSIM_REGISTER(ds, DS)
PMUSIM_REGISTER(es, ES)
PMUSIM_REGISTER(ss, SS)
PMUSIM_REGISTER(cr0, CR0)
PMUSIM_REGISTER(cr3, CR3)
PMUSIM_REGISTER(cr4, CR4)
PMUSIM_REGISTER(cr8, CR8)
#undef PMUSIM_REGISTER
// The general register of that number in the encoding, of 32 or 64 bits.
ZydisRegister general(unsigned number, unsigned bits);

}  // namespace pmusim::test
