/* SPDX-License-Identifier: Apache-2.0
   Into and out of a probe whose interrupts arrive in 64-bit mode. probe_enter_long loads every register of
   probe_in and goes there by IRETQ; whatever interrupt comes first stores every register and the words on top
   of its stack in probe_out and returns to the caller of probe_enter_long. */
#include "layout.h"
    .text
    .code64
    .globl probe_enter_long
probe_enter_long:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, probe_kernel_rsp
    mov $CR2_BEFORE, %eax
    mov %rax, %cr2
    mov probe_in + IN_DS, %eax
    mov %eax, %ds
    mov probe_in + IN_ES, %eax
    mov %eax, %es
    mov probe_in + IN_FS, %eax
    mov %eax, %fs
    mov probe_in + IN_GS, %eax
    mov %eax, %gs
    pushq probe_in + IN_SS
    pushq probe_in + IN_RSP
    pushq probe_in + IN_RFLAGS
    pushq probe_in + IN_CS
    pushq probe_in + IN_RIP
    mov probe_in + 8 * 0, %rax
    mov probe_in + 8 * 1, %rcx
    mov probe_in + 8 * 2, %rdx
    mov probe_in + 8 * 3, %rbx
    mov probe_in + 8 * 5, %rbp
    mov probe_in + 8 * 6, %rsi
    mov probe_in + 8 * 7, %rdi
    mov probe_in + 8 * 8, %r8
    mov probe_in + 8 * 9, %r9
    mov probe_in + 8 * 10, %r10
    mov probe_in + 8 * 11, %r11
    mov probe_in + 8 * 12, %r12
    mov probe_in + 8 * 13, %r13
    mov probe_in + 8 * 14, %r14
    mov probe_in + 8 * 15, %r15
    .globl probe_iret
probe_iret:                         /* where a fault of the IRETQ itself is reported */
    iretq

    .altmacro
    .macro stub n
    .balign 32
    mov %rax, probe_out
    mov $\n, %eax
    jmp common
    .endm

    .globl probe_stubs
    .balign 32
probe_stubs:
    .set i, 0
    .rept 256
    stub %i
    .set i, i + 1
    .endr

    .globl probe_caught             /* for code that ends a probe without an interrupt: vector in EAX */
probe_caught:
common:
    mov %rcx, probe_out + 8 * 1
    mov %rdx, probe_out + 8 * 2
    mov %rbx, probe_out + 8 * 3
    mov %rbp, probe_out + 8 * 5
    mov %rsi, probe_out + 8 * 6
    mov %rdi, probe_out + 8 * 7
    mov %r8, probe_out + 8 * 8
    mov %r9, probe_out + 8 * 9
    mov %r10, probe_out + 8 * 10
    mov %r11, probe_out + 8 * 11
    mov %r12, probe_out + 8 * 12
    mov %r13, probe_out + 8 * 13
    mov %r14, probe_out + 8 * 14
    mov %r15, probe_out + 8 * 15
    mov %rax, probe_out + OUT_VECTOR
    mov %rsp, probe_out + OUT_RSP
    mov %rsp, %rdx
    mov $probe_flags_words + 16, %esp  /* leaves what the probe has below its stack pointer alone */
    pushfq
    popq probe_out + OUT_RFLAGS
    mov %rdx, %rsp
    xor %ecx, %ecx
1:  mov (%rsp, %rcx, 8), %rdx
    mov %rdx, probe_out + OUT_FRAME(, %rcx, 8)
    inc %ecx
    cmp $6, %ecx
    jne 1b
    mov %ss, %edx
    mov %rdx, probe_out + OUT_SS
    mov probe_kernel_rsp, %rsp
    mov %cs, %edx
    mov %rdx, probe_out + OUT_CS
    mov %ds, %edx
    mov %rdx, probe_out + OUT_DS
    mov %es, %edx
    mov %rdx, probe_out + OUT_ES
    mov %fs, %edx
    mov %rdx, probe_out + OUT_FS
    mov %gs, %edx
    mov %rdx, probe_out + OUT_GS
    mov %cr2, %rdx
    mov %rdx, probe_out + OUT_CR2
    mov %dr6, %rdx
    mov %rdx, probe_out + OUT_DR6
    pushq $2
    popfq
    xor %edx, %edx
    mov %rdx, %dr7
    mov $KERNEL_DATA, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    pushq $KERNEL_CODE
    pushq $1f
    lretq
1:  pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret
    .section .note.GNU-stack, "", @progbits
