/* SPDX-License-Identifier: Apache-2.0
   What assembly and C of the probes share: word offsets in probe_in and probe_out, selectors, the vector that
   ends a probe, the places of code and stacks below 1 MiB. */
#ifndef PMUSIM_GUEST_PROBE_LAYOUT_H
#define PMUSIM_GUEST_PROBE_LAYOUT_H

#define IN_RSP (4 * 8)
#define IN_RIP (16 * 8)
#define IN_RFLAGS (17 * 8)
#define IN_CS (18 * 8)
#define IN_SS (19 * 8)
#define IN_DS (20 * 8)
#define IN_ES (21 * 8)
#define IN_FS (22 * 8)
#define IN_GS (23 * 8)

#define OUT_VECTOR (16 * 8)
#define OUT_RSP (17 * 8)
#define OUT_RFLAGS (18 * 8)
#define OUT_CS (19 * 8)
#define OUT_SS (20 * 8)
#define OUT_DS (21 * 8)
#define OUT_ES (22 * 8)
#define OUT_FS (23 * 8)
#define OUT_GS (24 * 8)
#define OUT_CR2 (25 * 8)
#define OUT_DR6 (26 * 8)
#define OUT_FRAME (27 * 8)
#define OUT_FRAME_WORDS 12 /* of 32 bits */

#define FLAG_VM 0x20000

/* The order from KERNEL_CODE to USER_DATA_AGAIN is what SYSRET and SYSEXIT count on. */
#define KERNEL_CODE 0x08
#define KERNEL_DATA 0x10
#define USER_CODE32 0x18
#define USER_DATA 0x20
#define USER_CODE 0x28
#define USER_DATA_AGAIN 0x30
#define KERNEL_CODE32 0x38
#define KERNEL_CODE16 0x40
#define KERNEL_DATA16 0x48
#define TSS64 0x50
#define LDT64 0x60
#define TSS32 0x70
#define FREE_SELECTOR 0x80 /* and above, to the end of the table */
#define GDT_ENTRIES 64

#define DONE 0x80
#define CR2_BEFORE 0x5a5a5a5a

#define REAL_MODE_BASE 0x8000  /* entry, interrupt stubs and exit, copied there */
#define REAL_MODE_PROBE 0xa000 /* the code under test */
#define REAL_MODE_STACK 0xc000 /* its stack's end, SS = 0 */

#endif
