/* SPDX-License-Identifier: Apache-2.0
   The 256 interrupt entry points, the way into and out of CPL 3, and the minimal handlers whose instruction
   counts are part of a measured program's expectation (one IRETQ, nothing else). */
#include "offsets.h"
#include "registers.h"
    .text
    .code64

    /* Vectors 8, 10-14, 17, 21, 29 and 30 push an error code; the others get a zero so that frames agree. */
    .altmacro
    .macro stub n
    .align 16
    .if (\n == 8) || (\n >= 10 && \n <= 14) || (\n == 17) || (\n == 21) || (\n == 29) || (\n == 30)
    .else
    push $0
    .endif
    push $\n
    jmp common
    .endm

    .globl rt_vector_stubs
    .align 16
rt_vector_stubs:
    .set i, 0
    .rept 256
    stub %i
    .set i, i + 1
    .endr

    .align 16
common:
    cld
    push %rax
    push %rcx
    push %rdx
    push %rbx
    push %rbp
    push %rsi
    push %rdi
    push %r8
    push %r9
    push %r10
    push %r11
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, %rdi
    mov %rsp, %rbp
    and $-16, %rsp
    call rt_interrupt
    mov %rbp, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %r11
    pop %r10
    pop %r9
    pop %r8
    pop %rdi
    pop %rsi
    pop %rbp
    pop %rbx
    pop %rdx
    pop %rcx
    pop %rax
    add $16, %rsp
    iretq

    .globl rt_bare_iret
    .align 16
rt_bare_iret:
    iretq

    /* u64 rt_user_call(u64 rip, u64 rsp, u64 argument): runs code at CPL 3 with RDI = ECX = argument, until it
       faults; returns its RAX | RDX << 32 (the low halves). rt_interrupt comes back through rt_user_return. */
    .globl rt_user_call, rt_user_return
rt_user_call:
    PUSH_CALLEE_SAVED
    mov %rsp, %gs:CPU_USER_RETURN_RSP
    mov %rdx, %rcx
    push $(RT_USER_DATA | 3)
    push %rsi
    push $2
    push $(RT_USER_CODE | 3)
    push %rdi
    mov %rdx, %rdi
    iretq
rt_user_return:                     /* RDI = value to return */
    mov %rdi, %rax
    mov %gs:CPU_USER_RETURN_RSP, %rsp
    POP_CALLEE_SAVED
    ret

    /* void rt_protected_call(u64 code, void* frame): calls emitted code with RDI = frame. A fault inside it comes
       back here (through rt_interrupt), with the fault recorded. */
    .globl rt_protected_call, rt_protected_return
rt_protected_call:
    PUSH_CALLEE_SAVED
    sub $8, %rsp
    mov %rsp, %gs:CPU_PROTECTED_RSP
    mov %rdi, %rax
    mov %rsi, %rdi
    call *%rax
rt_protected_return:
    mov %gs:CPU_PROTECTED_RSP, %rsp
    movq $0, %gs:CPU_PROTECTED_RSP
    add $8, %rsp
    POP_CALLEE_SAVED
    ret

    /* The program of rdpmc at CPL 3: UD2 leaves (a faulting instruction does not retire). */
    .globl rt_user_rdpmc, rt_user_rdpmc_end
rt_user_rdpmc:
    rdpmc
rt_user_rdpmc_end:
    ud2
    .section .note.GNU-stack, "", @progbits
