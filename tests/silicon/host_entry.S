/* SPDX-License-Identifier: Apache-2.0 */
/* Enters a state and leaves it again without needing a register: everything is addressed from RIP.
   silicon_enter(): loads silicon_frame's state and jumps to its rip, by a far jump to 16- and 32-bit code.
   silicon_exit: reached by a jump after the instruction; saves the state and returns from silicon_enter().
   silicon_return: reached from the signal handler, which has saved the state itself. */
#include "guests/runtime/registers.h"

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
	PUSH_CALLEE_SAVED
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
	LOAD_GPRS(GPR)
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
	STORE_GPRS(GPR)
	mov %rsp, GPR(4)
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
	POP_CALLEE_SAVED
	ret
	.size silicon_enter, .-silicon_enter

	.section .rodata
	.balign 4
default_mxcsr:
	.long 0x1f80
#endif
	.section .note.GNU-stack,"",@progbits
