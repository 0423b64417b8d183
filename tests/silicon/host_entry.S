/* SPDX-License-Identifier: Apache-2.0 */
/* Enters a state and leaves it again without needing a register: everything is addressed from RIP.
   silicon_enter(): loads silicon_frame's state and jumps to its rip, by a far jump to 16- and 32-bit code.
   silicon_exit: reached by a jump after the instruction; saves the state and returns from silicon_enter().
   silicon_return: reached from the signal handler, which has saved the state itself. */
#if defined(__x86_64__)
#define GPR(n) silicon_frame+8*(n)(%rip)
#define RIP_AT silicon_frame+128(%rip)
#define RFLAGS_AT silicon_frame+136(%rip)
#define SELECTOR(n) silicon_frame+144+2*(n)(%rip)
#define FX_AT silicon_frame+160(%rip)
#define USES_FX silicon_frame+672(%rip)
#define LOADS_SEGMENTS silicon_frame+673(%rip)
#define IS_COMPAT silicon_frame+674(%rip)
#define HOST_RSP silicon_frame+680(%rip)
#define HOW silicon_frame+704(%rip)
#define FAR_POINTER silicon_frame+696(%rip)

	.text
	.globl silicon_enter, silicon_exit, silicon_return
	.type silicon_enter, @function
silicon_enter:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rsp, HOST_RSP
	cmpb $0, USES_FX
	je 1f
	fxrstor64 FX_AT
1:	cmpb $0, LOADS_SEGMENTS
	je 2f
	mov SELECTOR(0), %es
	mov SELECTOR(3), %ds
	cmpb $0, IS_COMPAT
	je 2f
	mov SELECTOR(5), %gs
	mov SELECTOR(2), %ss
2:	pushq RFLAGS_AT
	popfq
	mov GPR(1), %rcx
	mov GPR(2), %rdx
	mov GPR(3), %rbx
	mov GPR(5), %rbp
	mov GPR(6), %rsi
	mov GPR(7), %rdi
	mov GPR(8), %r8
	mov GPR(9), %r9
	mov GPR(10), %r10
	mov GPR(11), %r11
	mov GPR(12), %r12
	mov GPR(13), %r13
	mov GPR(14), %r14
	mov GPR(15), %r15
	mov GPR(4), %rsp
	mov GPR(0), %rax
	jmp *HOW

	.globl silicon_enter_long, silicon_enter_compat
silicon_enter_long:
	jmp *RIP_AT
silicon_enter_compat:
	ljmp *FAR_POINTER

silicon_exit:
	mov %rax, GPR(0)
	mov %rcx, GPR(1)
	mov %rdx, GPR(2)
	mov %rbx, GPR(3)
	mov %rsp, GPR(4)
	mov %rbp, GPR(5)
	mov %rsi, GPR(6)
	mov %rdi, GPR(7)
	mov %r8, GPR(8)
	mov %r9, GPR(9)
	mov %r10, GPR(10)
	mov %r11, GPR(11)
	mov %r12, GPR(12)
	mov %r13, GPR(13)
	mov %r14, GPR(14)
	mov %r15, GPR(15)
	mov HOST_RSP, %rsp
	pushfq
	popq RFLAGS_AT
	mov %es, SELECTOR(0)
	mov %cs, SELECTOR(1)
	mov %ss, SELECTOR(2)
	mov %ds, SELECTOR(3)
	cmpb $0, IS_COMPAT
	je 4f
	mov %gs, SELECTOR(5)
4:	cmpb $0, USES_FX
	je silicon_return
	fxsave64 FX_AT
silicon_return:
	mov HOST_RSP, %rsp
	cmpb $0, LOADS_SEGMENTS
	je 3f
	xor %ecx, %ecx
	mov %ecx, %es
	mov %ecx, %ds
	mov $0x2b, %ecx
	mov %ecx, %ss
3:
	pushq $2
	popfq
	fninit
	ldmxcsr default_mxcsr(%rip)
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret
	.size silicon_enter, .-silicon_enter

	.section .rodata
	.balign 4
default_mxcsr:
	.long 0x1f80
#endif
	.section .note.GNU-stack,"",@progbits
