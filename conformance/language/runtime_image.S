/* SPDX-License-Identifier: Apache-2.0
   The guest runtime with the case interpreter, as built by guests/, embedded into the library. */
    .section .rodata
    .globl pmusim_case_runtime, pmusim_case_runtime_end
    .align 16
pmusim_case_runtime:
    .incbin PMUSIM_CASE_RUNTIME
pmusim_case_runtime_end:
    .byte 0
    .section .note.GNU-stack, "", @progbits
