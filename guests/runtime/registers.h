/* SPDX-License-Identifier: Apache-2.0
   For assembly: the registers that a function keeps for its caller (System V ABI), and moves of the
   general-purpose registers between the CPU and a table. AT(n) is the operand of register n, in the order of
   the encoding. RSP is never among them, RAX not in the 64-bit ones: their users need it to the last, or from
   the first. */
#ifndef PMUSIM_GUEST_REGISTERS_H
#define PMUSIM_GUEST_REGISTERS_H

// clang-format off
#define PUSH_CALLEE_SAVED push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15
#define POP_CALLEE_SAVED pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx

#define LOAD_GPRS(AT)                                                                          \
  mov AT(1), %rcx; mov AT(2), %rdx; mov AT(3), %rbx; mov AT(5), %rbp; mov AT(6), %rsi;         \
  mov AT(7), %rdi; mov AT(8), %r8; mov AT(9), %r9; mov AT(10), %r10; mov AT(11), %r11;         \
  mov AT(12), %r12; mov AT(13), %r13; mov AT(14), %r14; mov AT(15), %r15
#define STORE_GPRS(AT)                                                                         \
  mov %rcx, AT(1); mov %rdx, AT(2); mov %rbx, AT(3); mov %rbp, AT(5); mov %rsi, AT(6);         \
  mov %rdi, AT(7); mov %r8, AT(8); mov %r9, AT(9); mov %r10, AT(10); mov %r11, AT(11);         \
  mov %r12, AT(12); mov %r13, AT(13); mov %r14, AT(14); mov %r15, AT(15)

#define LOAD_GPRS32(AT)                                                                        \
  mov AT(0), %eax; mov AT(1), %ecx; mov AT(2), %edx; mov AT(3), %ebx; mov AT(5), %ebp;         \
  mov AT(6), %esi; mov AT(7), %edi
#define STORE_GPRS32(AT)                                                                       \
  mov %eax, AT(0); mov %ecx, AT(1); mov %edx, AT(2); mov %ebx, AT(3); mov %ebp, AT(5);         \
  mov %esi, AT(6); mov %edi, AT(7)
// clang-format on

#endif
