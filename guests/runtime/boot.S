/* SPDX-License-Identifier: Apache-2.0
   Entry of a guest image: Multiboot 1 hands over in 32-bit protected mode, flat segments, paging off; this
   file builds an identity map of 4 GiB (2 MiB pages, all user-accessible, the local APIC's page uncached),
   enters long mode and calls rt_main. Application processors arrive by SIPI at a 16-bit trampoline that is
   copied below 1 MiB and take the same road. NOT handled: 5-level paging, memory above 4 GiB. */
#define MULTIBOOT_MAGIC 0x1badb002
#define STACK_SIZE 0x4000

    .section .multiboot, "ax"
    .align 4
    .long MULTIBOOT_MAGIC, 0, -MULTIBOOT_MAGIC

    .text
    .code32
    .globl _start
_start:
    cli
    mov $boot_stack_top, %esp
    mov %ebx, rt_multiboot_info

    /* Page tables: PML4[0] -> PDPT; PDPT[0..3] -> four page directories; 2048 large pages. */
    movl $(rt_pdpt + 7), rt_pml4
    movl $(rt_pd + 7), rt_pdpt
    movl $(rt_pd + 0x1007), rt_pdpt + 8
    movl $(rt_pd + 0x2007), rt_pdpt + 16
    movl $(rt_pd + 0x3007), rt_pdpt + 24
    mov $rt_pd, %edi
    mov $0xe7, %eax                 /* present, writable, user, accessed, dirty, large */
    mov $2048, %ecx
1:  mov %eax, (%edi)
    add $8, %edi
    add $0x200000, %eax
    dec %ecx
    jnz 1b
    orl $0x18, rt_pd + 8 * (0xfee00000 >> 21)   /* PWT, PCD: device memory */

    call enter_long_mode
    .code64
    mov $boot_stack_top, %rsp
    xor %ebp, %ebp
    xor %edi, %edi
    call rt_start_bsp
1:  hlt
    jmp 1b

    /* Called in 32-bit mode; returns to its caller in 64-bit mode. The return address is a 32-bit one. */
    .code32
enter_long_mode:
    pop %esi
    lgdt boot_gdt_descriptor
    mov %cr4, %eax
    or $0x20, %eax                  /* PAE */
    mov %eax, %cr4
    mov $rt_pml4, %eax
    mov %eax, %cr3
    mov $0xc0000080, %ecx           /* EFER */
    rdmsr
    or $0x100, %eax                 /* LME */
    wrmsr
    mov %cr0, %eax
    or $0x80000001, %eax            /* PG, PE */
    mov %eax, %cr0
    ljmp $0x08, $1f
    .code64
1:  mov $0x10, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    xor %eax, %eax
    mov %eax, %fs
    mov %eax, %gs
    mov %esi, %esi
    jmp *%rsi

    /* 16-bit start of an application processor, copied to page RT_TRAMPOLINE. Real mode CS = page << 8. */
    .globl rt_trampoline, rt_trampoline_end
    .code16
rt_trampoline:
    cli
    xor %ax, %ax
    mov %ax, %ds
    lgdtl (trampoline_gdt_descriptor - rt_trampoline + 0x8000)
    mov %cr0, %eax
    or $1, %eax
    mov %eax, %cr0
    ljmpl $0x18, $ap_start32
    .align 4
trampoline_gdt_descriptor:
    .word boot_gdt_end - boot_gdt - 1
    .long boot_gdt
rt_trampoline_end:

    .code32
ap_start32:
    mov $0x20, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov $1, %ebx
    lock xadd %ebx, rt_next_cpu     /* this processor's index */
    cmp $16, %ebx                   /* RT_MAX_CPUS: more have no stack and sleep */
    jb 2f
1:  cli
    hlt
    jmp 1b
2:
    mov %ebx, %eax
    imul $STACK_SIZE, %eax, %eax
    lea ap_stacks(%eax), %esp
    call enter_long_mode
    .code64
    mov %esp, %esp
    mov %ebx, %edi
    xor %ebp, %ebp
    call rt_start_ap
1:  hlt
    jmp 1b

    .data
    .align 8
boot_gdt:
    .quad 0
    .quad 0x00af9b000000ffff        /* 08: 64-bit code */
    .quad 0x00cf93000000ffff        /* 10: data */
    .quad 0x00cf9b000000ffff        /* 18: 32-bit code */
    .quad 0x00cf93000000ffff        /* 20: data */
boot_gdt_end:
boot_gdt_descriptor:
    .word boot_gdt_end - boot_gdt - 1
    .long boot_gdt
    .globl rt_next_cpu, rt_multiboot_info
    .align 4
rt_next_cpu: .long 1
rt_multiboot_info: .long 0

    .bss
    .align 4096
rt_pml4: .skip 4096
rt_pdpt: .skip 4096
rt_pd: .skip 4 * 4096
    .align 16
boot_stack: .skip STACK_SIZE
boot_stack_top:
ap_stacks: .skip STACK_SIZE * 16    /* index 1 ends where index 1's stack begins to grow down */
    .section .note.GNU-stack, "", @progbits
