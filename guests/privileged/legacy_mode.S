/* SPDX-License-Identifier: Apache-2.0
   Probes outside long mode. probe_enter_legacy leaves long mode for 32-bit protected mode, or virtual-8086 mode
   (SDM Vol. 3, 20.2.2) where probe_in has EFLAGS.VM; probe_enter_real goes on
   to real mode through a 16-bit segment (SDM Vol. 3, 9.9.2); both load the registers of probe_in, and the first
   interrupt stores everything in probe_out and comes back to long mode. Paging in protected mode is on where
   probe_legacy_cr3 is not 0. The real-mode part is copied to REAL_MODE_BASE. */
#include "layout.h"
#include "registers.h"

#define IN_GPR(n) %cs:probe_in + 8 * n
#define OUT_GPR(n) %ss:probe_out + 8 * n

    .macro save_callee
    PUSH_CALLEE_SAVED
    mov %rsp, probe_kernel_rsp
    mov $CR2_BEFORE, %eax
    mov %rax, %cr2
    .endm

    /* From 64-bit to 32-bit protected mode without paging; EAX, ECX, EDX are lost. */
    .macro leave_long_mode
    .code64
    pushq $KERNEL_CODE32
    pushq $1f
    lretq
    .code32
1:  mov $KERNEL_DATA, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov %cr4, %eax
    mov %eax, saved_cr4
    mov %cr0, %eax
    and $0x7fffffff, %eax
    mov %eax, %cr0
    mov $0xc0000080, %ecx           /* EFER.LME off */
    rdmsr
    and $~0x100, %eax
    wrmsr
    .endm

    .text
    .code64
    .globl probe_enter_legacy
probe_enter_legacy:
    save_callee
    leave_long_mode
    lidt probe_legacy_idtr
    andb $0xfd, probe_gdt + TSS32 + 5
    mov $TSS32, %eax
    ltr %ax
    mov probe_legacy_cr3, %eax
    test %eax, %eax
    jz 1f
    mov %eax, %cr3
    mov probe_legacy_cr4, %eax
    mov %eax, %cr4
    mov %cr0, %eax
    or $0x80000000, %eax
    mov %eax, %cr0
1:  testl $FLAG_VM, probe_in + IN_RFLAGS
    jz 1f
    mov $legacy_stack_end, %esp
    pushl probe_in + IN_GS
    pushl probe_in + IN_FS
    pushl probe_in + IN_DS
    pushl probe_in + IN_ES
    pushl probe_in + IN_SS
    pushl probe_in + IN_RSP
    pushl probe_in + IN_RFLAGS
    pushl probe_in + IN_CS
    pushl probe_in + IN_RIP
    jmp 4f
1:  testb $3, probe_in + IN_CS
    jz 2f
    mov $legacy_stack_end, %esp
    pushl probe_in + IN_SS
    pushl probe_in + IN_RSP
    jmp 3f
2:  mov probe_in + IN_SS, %eax
    mov probe_in + IN_RSP, %esp
    mov %eax, %ss
3:  pushl probe_in + IN_RFLAGS
    pushl probe_in + IN_CS
    pushl probe_in + IN_RIP
    mov probe_in + IN_ES, %eax
    mov %eax, %es
    mov probe_in + IN_FS, %eax
    mov %eax, %fs
    mov probe_in + IN_GS, %eax
    mov %eax, %gs
    mov probe_in + IN_DS, %eax
    mov %eax, %ds
4:  LOAD_GPRS32(IN_GPR)
    .globl probe_legacy_iret
probe_legacy_iret:
    iretl

    .altmacro
    .macro stub32 n
    .balign 16
    movl $\n, %ss:probe_out + OUT_VECTOR
    jmp common32
    .endm
    .globl probe_legacy_stubs
    .balign 16
probe_legacy_stubs:
    .set i, 0
    .rept 256
    stub32 %i
    .set i, i + 1
    .endr

common32:
    STORE_GPRS32(OUT_GPR)
    mov %esp, %ss:probe_out + OUT_RSP
    mov %esp, %edx
    mov %ss, %ecx
    mov $probe_flags_words + 8, %esp
    pushfl
    popl %ss:probe_out + OUT_RFLAGS
    mov %edx, %esp
    mov %ds, %edx
    mov %edx, %ss:probe_out + OUT_DS
    mov $KERNEL_DATA, %edx
    mov %edx, %ds
    mov %ecx, probe_out + OUT_SS
    xor %ecx, %ecx
1:  mov %ss:(%esp, %ecx, 4), %edx
    mov %edx, probe_out + OUT_FRAME(, %ecx, 4)
    inc %ecx
    cmp $OUT_FRAME_WORDS, %ecx
    jne 1b
    mov %cs, %edx
    mov %edx, probe_out + OUT_CS
    mov %es, %edx
    mov %edx, probe_out + OUT_ES
    mov %fs, %edx
    mov %edx, probe_out + OUT_FS
    mov %gs, %edx
    mov %edx, probe_out + OUT_GS
    mov %cr2, %edx
    mov %edx, probe_out + OUT_CR2
    mov %dr6, %edx
    mov %edx, probe_out + OUT_DR6
    mov %cr0, %eax                  /* paging off, if it was on */
    and $0x7fffffff, %eax
    mov %eax, %cr0

enter_long_mode_again:
    mov $KERNEL_DATA, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov $legacy_stack_end, %esp
    pushl $2
    popfl
    xor %eax, %eax
    mov %eax, %dr7
    mov %eax, %fs
    mov %eax, %gs
    mov saved_cr4, %eax
    mov %eax, %cr4
    mov $probe_pml4, %eax
    mov %eax, %cr3
    mov $0xc0000080, %ecx
    rdmsr
    or $0x100, %eax
    wrmsr
    mov %cr0, %eax
    or $0x80000000, %eax
    mov %eax, %cr0
    ljmp $KERNEL_CODE, $1f
    .code64
1:  lidt probe_idtr
    andb $0xfd, probe_gdt + TSS64 + 5
    mov $TSS64, %eax
    ltr %ax
    mov probe_kernel_rsp, %rsp
    POP_CALLEE_SAVED
    ret

    .globl probe_enter_real
probe_enter_real:
    save_callee
    leave_long_mode
    lidt probe_real_idtr
    ljmp $KERNEL_CODE16, $REAL_MODE_BASE + real_entry - probe_real_begin

    /* --- copied to REAL_MODE_BASE; its data is reached through CS ------------------------------------------- */
    .balign 16
    .globl probe_real_begin, probe_real_end, probe_real_in, probe_real_out, probe_real_stubs
probe_real_begin:
probe_real_in:                      /* as probe_in, 32 bits each */
    .skip 24 * 4
probe_real_out:                     /* 8 GPRs, vector, SP, FLAGS, CS, SS, DS, ES, FS, GS, 3 words of frame */
    .skip 20 * 4
#define LOCAL(x) %cs:(x - probe_real_begin)
#define REAL_IN_GPR(n) LOCAL(probe_real_in + 4 * n)
#define REAL_OUT_GPR(n) LOCAL(probe_real_out + 4 * n)
    .code16
real_entry:
    mov $KERNEL_DATA16, %ax
    mov %ax, %ds
    mov %ax, %es
    mov %ax, %fs
    mov %ax, %gs
    mov %ax, %ss
    mov %cr0, %eax
    and $~1, %eax
    mov %eax, %cr0
    ljmp $REAL_MODE_BASE >> 4, $1f - probe_real_begin
1:  mov LOCAL(probe_real_in + 4 * 19), %ss
    mov LOCAL(probe_real_in + 4 * 4), %esp
    mov LOCAL(probe_real_in + 4 * 20), %ds
    mov LOCAL(probe_real_in + 4 * 21), %es
    mov LOCAL(probe_real_in + 4 * 22), %fs
    mov LOCAL(probe_real_in + 4 * 23), %gs
    pushw LOCAL(probe_real_in + 4 * 17)
    pushw LOCAL(probe_real_in + 4 * 18)
    pushw LOCAL(probe_real_in + 4 * 16)
    LOAD_GPRS32(REAL_IN_GPR)
    iretw

    .macro stub16 n
    .balign 16
    movl $\n, LOCAL(probe_real_out + 4 * 8)
    jmp common16
    .endm
    .balign 16
probe_real_stubs:
    .set i, 0
    .rept 256
    stub16 %i
    .set i, i + 1
    .endr
common16:
    STORE_GPRS32(REAL_OUT_GPR)
    mov %esp, LOCAL(probe_real_out + 4 * 9)
    pushfw
    popw LOCAL(probe_real_out + 4 * 10)
    mov %cs, LOCAL(probe_real_out + 4 * 11)
    mov %ss, LOCAL(probe_real_out + 4 * 12)
    mov %ds, LOCAL(probe_real_out + 4 * 13)
    mov %es, LOCAL(probe_real_out + 4 * 14)
    mov %fs, LOCAL(probe_real_out + 4 * 15)
    mov %gs, LOCAL(probe_real_out + 4 * 16)
    popw LOCAL(probe_real_out + 4 * 17)
    popw LOCAL(probe_real_out + 4 * 18)
    popw LOCAL(probe_real_out + 4 * 19)
    mov %cr0, %eax
    or $1, %eax
    mov %eax, %cr0
    ljmpl $KERNEL_CODE32, $real_back
probe_real_end:

    .code32
real_back:
    mov $KERNEL_DATA, %eax
    mov %eax, %ds
    mov %cr2, %eax
    mov %eax, probe_out + OUT_CR2
    mov %dr6, %eax
    mov %eax, probe_out + OUT_DR6
    jmp enter_long_mode_again

    .bss
    .balign 16
saved_cr4: .skip 16
    .skip 0x400
legacy_stack_end:
    .section .note.GNU-stack, "", @progbits
