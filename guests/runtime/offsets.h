/* SPDX-License-Identifier: Apache-2.0
   What assembly and C share: selectors and offsets in struct rt_cpu (checked by static assertions in cpu.c).
 */
#ifndef PMUSIM_GUEST_OFFSETS_H
#define PMUSIM_GUEST_OFFSETS_H

#define RT_KERNEL_CODE 0x08
#define RT_KERNEL_DATA 0x10
#define RT_USER_DATA 0x18
#define RT_USER_CODE 0x20
#define RT_TSS 0x28

#define CPU_SELF 0
#define CPU_INDEX 8
#define CPU_RECOVER 16
#define CPU_USER_RETURN_RSP 24
#define CPU_PROTECTED_RSP 32

#endif
