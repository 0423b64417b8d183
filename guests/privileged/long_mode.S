/* SPDX-License-Identifier: Apache-2.0
   Into and out of a probe whose interrupts arrive in 64-bit mode. probe_enter_long loads every register of
   probe_in and goes there by IRETQ; whatever interrupt comes first stores every register and the words on top
   of its stack in probe_out and returns to the caller of probe_enter_long. */
#include "layout.h"
#include "registers.h"

#define IN_GPR(n) probe_in + 8 * n
#define OUT_GPR(n) probe_out + 8 * n

    .text
    .code64
    .globl probe_enter_long
probe_enter_long:
    PUSH_CALLEE_SAVED
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
    LOAD_GPRS(IN_GPR)
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
    STORE_GPRS(OUT_GPR)
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
1:  POP_CALLEE_SAVED
    ret
    .section .note.GNU-stack, "", @progbits
