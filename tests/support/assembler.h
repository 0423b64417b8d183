// SPDX-License-Identifier: Apache-2.0
// Machine code for guests of tests, by Zydis' encoder: a function per instruction, named as it is (and_, or_
// and xor_, because C++ has taken the words), operands in Intel's order, and the shortest encoding of each.
// Where the encoding itself is the subject of a test there is raw(). What no guest has needed yet is not
// there: another row of the tables adds an instruction.
//
//   Assembler a(0x100000);
//   a.mov(ecx, 3);
//   const u32 top = a.here();
//   a.add(dword(ebx, kData), eax).dec(ecx).jnz(top);
#pragma once

#include <initializer_list>
#include <vector>

#include "tests/support/operand.h"

namespace pmusim::test {

class Assembler {
 public:
  enum class Mode : u8 { Real, Protected, Long };  // 16, 32 and 64 bits
  explicit Assembler(u32 base, Mode mode = Mode::Protected) : base_(base), mode_(mode) {}
  Assembler& mode(Mode mode) {
    mode_ = mode;
    return *this;
  }

  u32 base() const { return base_; }
  u32 here() const { return base_ + static_cast<u32>(bytes_.size()); }
  // Throws std::logic_error while a label that is used has no place.
  const std::vector<u8>& bytes() const;

  Assembler& emit(ZydisMnemonic mnemonic, std::initializer_list<Operand> operands);
  Assembler& raw(std::initializer_list<int> bytes) {
    for (const int b : bytes) bytes_.push_back(static_cast<u8>(b));
    return *this;
  }
  Assembler& raw(const std::vector<u8>& bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  Assembler& data(u64 value, unsigned bytes) {
    for (; bytes; --bytes, value >>= 8) bytes_.push_back(static_cast<u8>(value));
    return *this;
  }
  // Prefixes of the next instruction, whether it may have them or not.
  Assembler& lock() { return raw({0xf0}); }
  Assembler& rep() { return raw({0xf3}); }
  Assembler& repne() { return raw({0xf2}); }

#define PMUSIM_PLAIN(name, NAME)            \
  Assembler& name() {                       \
    return emit(ZYDIS_MNEMONIC_##NAME, {}); \
  }
  PMUSIM_PLAIN(cld, CLD)
  PMUSIM_PLAIN(cli, CLI)
  PMUSIM_PLAIN(cpuid, CPUID)
  PMUSIM_PLAIN(hlt, HLT)
  PMUSIM_PLAIN(int3, INT3)
  PMUSIM_PLAIN(iretd, IRETD)
  PMUSIM_PLAIN(iretq, IRETQ)
  PMUSIM_PLAIN(mfence, MFENCE)
  PMUSIM_PLAIN(monitor, MONITOR)
  PMUSIM_PLAIN(movsd, MOVSD)
  PMUSIM_PLAIN(mwait, MWAIT)
  PMUSIM_PLAIN(nop, NOP)
  PMUSIM_PLAIN(pause, PAUSE)
  PMUSIM_PLAIN(popfq, POPFQ)
  PMUSIM_PLAIN(pushfq, PUSHFQ)
  PMUSIM_PLAIN(rdmsr, RDMSR)
  PMUSIM_PLAIN(rdpmc, RDPMC)
  PMUSIM_PLAIN(rdtsc, RDTSC)
  PMUSIM_PLAIN(ret, RET)
  PMUSIM_PLAIN(std, STD)
  PMUSIM_PLAIN(sti, STI)
  PMUSIM_PLAIN(ud2, UD2)
  PMUSIM_PLAIN(vmcall, VMCALL)
  PMUSIM_PLAIN(vmmcall, VMMCALL)
  PMUSIM_PLAIN(wrmsr, WRMSR)
  PMUSIM_PLAIN(xsetbv, XSETBV)
#undef PMUSIM_PLAIN
#define PMUSIM_UNARY(name, NAME)             \
  Assembler& name(const Operand& a) {        \
    return emit(ZYDIS_MNEMONIC_##NAME, {a}); \
  }
  PMUSIM_UNARY(dec, DEC)
  PMUSIM_UNARY(div, DIV)
  PMUSIM_UNARY(inc, INC)
  PMUSIM_UNARY(int_, INT)
  PMUSIM_UNARY(ltr, LTR)
  PMUSIM_UNARY(pop, POP)
  PMUSIM_UNARY(push, PUSH)
#undef PMUSIM_UNARY
#define PMUSIM_BINARY(name, NAME)                       \
  Assembler& name(const Operand& a, const Operand& b) { \
    return emit(ZYDIS_MNEMONIC_##NAME, {a, b});         \
  }
  PMUSIM_BINARY(adc, ADC)
  PMUSIM_BINARY(add, ADD)
  PMUSIM_BINARY(and_, AND)
  PMUSIM_BINARY(bts, BTS)
  PMUSIM_BINARY(cmp, CMP)
  PMUSIM_BINARY(imul, IMUL)
  PMUSIM_BINARY(in, IN)
  PMUSIM_BINARY(lea, LEA)
  PMUSIM_BINARY(mov, MOV)
  PMUSIM_BINARY(or_, OR)
  PMUSIM_BINARY(out, OUT)
  PMUSIM_BINARY(shr, SHR)
  PMUSIM_BINARY(sub, SUB)
  PMUSIM_BINARY(test, TEST)
  PMUSIM_BINARY(xchg, XCHG)
  PMUSIM_BINARY(xor_, XOR)
#undef PMUSIM_BINARY
  Assembler& imul(ZydisRegister to, const Operand& from, s32 factor) {
    return emit(ZYDIS_MNEMONIC_IMUL, {to, from, factor});
  }
  Assembler& clflush(ZydisRegister address) {
    return emit(ZYDIS_MNEMONIC_CLFLUSH, {Operand(64, address, 0)});
  }
  Assembler& lgdt(u32 address) {
    return table(ZYDIS_MNEMONIC_LGDT, address);
  }
  Assembler& lidt(u32 address) {
    return table(ZYDIS_MNEMONIC_LIDT, address);
  }

  // To an address behind, short where that reaches; to a label, near.
  Assembler& branch(ZydisMnemonic mnemonic, u32 target);
  Assembler& branch(ZydisMnemonic mnemonic, Label target);
#define PMUSIM_BRANCH(name, NAME)                 \
  Assembler& name(u32 target) {                   \
    return branch(ZYDIS_MNEMONIC_##NAME, target); \
  }                                               \
  Assembler& name(Label target) {                 \
    return branch(ZYDIS_MNEMONIC_##NAME, target); \
  }
  PMUSIM_BRANCH(call, CALL)
  PMUSIM_BRANCH(jmp, JMP)
  PMUSIM_BRANCH(jnb, JNB)
  PMUSIM_BRANCH(jb, JB)
  PMUSIM_BRANCH(jnz, JNZ)
  PMUSIM_BRANCH(js, JS)
  PMUSIM_BRANCH(jz, JZ)
  PMUSIM_BRANCH(loop, LOOP)  // only to an address
#undef PMUSIM_BRANCH
  // Of the condition code in the encoding, 0 (O) to 15 (NLE).
  Assembler& jcc(unsigned condition, u32 target);
  Assembler& jcc(unsigned condition, Label target);
  Assembler& jmp(ZydisRegister target) {
    return emit(ZYDIS_MNEMONIC_JMP, {target});
  }
  Assembler& call(ZydisRegister target) {
    return emit(ZYDIS_MNEMONIC_CALL, {target});
  }
  Assembler& jmp_far(u16 selector, u32 offset);

  Label label();
  Assembler& bind(Label label);  // it is here

  // Sequences. They change EAX, ECX and EDX as their instructions do.
  Assembler& store(u32 address, u32 value) {
    return mov(dword(address), value);
  }
  Assembler& wrmsr(u32 index, u64 value) {
    return mov(ecx, index).mov(eax, static_cast<u32>(value)).mov(edx, static_cast<u32>(value >> 32)).wrmsr();
  }
  Assembler& rdmsr(u32 index) {
    return mov(ecx, index).rdmsr();
  }
  Assembler& rdpmc(u32 counter) {
    return mov(ecx, counter).rdpmc();
  }
  Assembler& cpuid(u32 leaf) {
    return mov(eax, leaf).cpuid();
  }
  Assembler& out8(u16 port, u8 value) {
    return mov(al, value).mov(dx, port).out(dx, al);
  }
  Assembler& out16(u16 port, u16 value) {
    return mov(ax, value).mov(dx, port).out(dx, ax);
  }
  Assembler& out32(u16 port, u32 value) {
    return mov(eax, value).mov(dx, port).out(dx, eax);
  }
  Assembler& in8(u16 port) {
    return mov(dx, port).in(al, dx);
  }
  Assembler& in32(u16 port) {
    return mov(dx, port).in(eax, dx);
  }
  Assembler& print(char c) {
    return out8(0x3f8, static_cast<u8>(c));
  }
  Assembler& exit(u32 value) {
    return out32(0xf4, value).halt();
  }  // status 2 value + 1
  Assembler& exit_with_eax() {
    return mov(dx, 0xf4).out(dx, eax).halt();
  }
  Assembler& wait_for(u32 address, u8 value) {  // until another CPU has made the byte that
    const u32 top = here();
    return pause().cmp(byte(address), value).jnz(top);
  }
  Assembler& halt() {  // for good
    const u32 top = here();
    return hlt().jmp(top);
  }
  Assembler& spin() {
    return jmp(here());
  }
  Assembler& loops(u32 count) {  // that many LOOP instructions
    mov(ecx, count);
    return loop(here());
  }

 private:
  Assembler& table(ZydisMnemonic mnemonic, u32 address);
  Assembler& encode(ZydisEncoderRequest request);
  void refer(Label label, bool relative);  // from the four bytes before here

  struct Reference {
    std::size_t at;
    unsigned label;
    bool relative;  // to the end of the four bytes
  };
  u32 base_;
  Mode mode_;
  std::vector<u8> bytes_;
  std::vector<u32> labels_;  // addresses; 0: not bound
  std::vector<Reference> open_;
};

}  // namespace pmusim::test
