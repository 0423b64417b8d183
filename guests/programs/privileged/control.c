/* SPDX-License-Identifier: Apache-2.0
   Reserved bits and forbidden combinations of CR0, CR3, CR4, CR8, EFER, debug registers and MSRs, and tables
   at non-canonical addresses; those that turn paging off are in paging_control.c (SDM Vol. 3, 2.5, 4.1, 17.2;
   Vol. 2, MOV, WRMSR, LGDT). */
#include "probe.h"

#define HOLE 0x0000800000000000ull
enum { kEfer = 0xc0000080 };

CODE(to_cr0, "mov %rax, %cr0");
CODE(to_cr3, "mov %rax, %cr3");
CODE(to_cr4, "mov %rax, %cr4");
CODE(to_cr8, "mov %rax, %cr8");
CODE(from_cr8, "mov %cr8, %rax");
CODE(from_cr2, "mov %cr2, %rax");
CODE(wrmsr_, "wrmsr");
CODE(rdmsr_, "rdmsr");
CODE(to_dr0, "mov %rax, %dr0\nmov %dr0, %rcx");
CODE(to_dr6, "mov %rax, %dr6");
CODE(to_dr7, "mov %rax, %dr7");
CODE(from_dr4, "mov %dr4, %rax");
CODE(from_dr5, "mov %dr5, %rax");
CODE(lmsw_ax, "lmsw %ax\nmov %cr0, %rcx");
CODE(clts_, "clts\nmov %cr0, %rcx");

#define DENIED(label, title, section, value) \
  PROBE(label, title, section, .mode = KERNEL, .set = {.rax = (value)}, FAULT_CODE(GP, 0, 0))
#define ACCEPTED(label, title, section, value) \
  PROBE(label, title, section, .mode = KERNEL, .set = {.rax = (value)})

static void control_registers(void) {
  const u64 cr0 = read_cr0(), cr3 = read_cr3(), cr4 = read_cr4();
  DENIED(to_cr0, "CR0, bit 32", "2.5", cr0 | 1ull << 32);
  DENIED(to_cr0, "CR0, bit 63", "2.5", cr0 | 1ull << 63);
  DENIED(to_cr0, "CR0, NW without CD", "Vol. 2 MOV CR", cr0 | 1 << 29);
  ACCEPTED(to_cr0, "CR0 as it is", "2.5", cr0);
  ACCEPTED(to_cr3, "CR3 as it is", "2.5", cr3);
  if (rt_cpuid(1, 0).ecx >> 17 & 1) {
    write_cr3(cr3 | 0x18);
    DENIED(to_cr4, "CR4, PCIDE with a PCID in CR3", "4.10.1", cr4 | 1 << 17);
    write_cr3(cr3);
  } else {
    probe_skip("CR4, PCIDE with a PCID in CR3 (cpl0)", "not in CPUID");
  }
  PROBE(from_cr2, "CR2", "2.5", .mode = KERNEL, .change = {{R_AX, CR2_BEFORE}});
  DENIED(to_cr8, "CR8, bit 4", "10.8.6.1", 0x10);
  ACCEPTED(to_cr8, "CR8, 15", "10.8.6.1", 15);
  PROBE(from_cr8, "CR8 reads back", "10.8.6.1", .mode = KERNEL, .change = {{R_AX, 15}});
  ACCEPTED(to_cr8, "CR8, 0", "10.8.6.1", 0);
  PROBE(lmsw_ax, "LMSW sets TS, and cannot clear PE", "Vol. 2 LMSW", .mode = KERNEL,
        .set = {.rax = 8 | (cr0 & 6)}, .change = {{R_CX, cr0 | 8}});
  PROBE(clts_, "CLTS", "Vol. 2 CLTS", .mode = KERNEL, .change = {{R_CX, cr0 & ~8ull}});
}

#define WRITE(title, section, index, value, ...) \
  PROBE(wrmsr_, title, section, .mode = KERNEL,  \
        .set = {.rcx = (index), .rax = (value)&0xffffffff, .rdx = (u64)(value) >> 32}, __VA_ARGS__)

static void model_specific_registers(void) {
  const u64 efer = rt_rdmsr(kEfer);
  WRITE("EFER as it is", "2.2.1", kEfer, efer, .vector = 0);
  WRITE("EFER, LME cleared with paging", "4.1.2", kEfer, efer & ~0x100ul, FAULT_CODE(GP, 0, 0));
  WRITE("EFER, bit 63", "2.2.1", kEfer, efer | 1ul << 63, FAULT_CODE(GP, 0, 0));
  WRITE("EFER, LMA is read-only", "2.2.1", kEfer, efer & ~0x400ul, .vector = 0);
  probe_check("EFER.LMA stays", "2.2.1", rt_rdmsr(kEfer), efer);
  static const struct {
    const char* name;
    u32 index;
  } kAddresses[] = {{"LSTAR, non-canonical", 0xc0000082},          {"CSTAR, non-canonical", 0xc0000083},
                    {"FS_BASE, non-canonical", 0xc0000100},        {"GS_BASE, non-canonical", 0xc0000101},
                    {"KERNEL_GS_BASE, non-canonical", 0xc0000102}, {"SYSENTER_EIP, non-canonical", 0x176}};
  for (u32 i = 0; i < 6; ++i) {
    if (kAddresses[i].index == 0x176 && !probe_intel()) continue; /* AMD takes 32 bits */
    WRITE(kAddresses[i].name, "Vol. 2 WRMSR", kAddresses[i].index, HOLE, FAULT_CODE(GP, 0, 0));
  }
  WRITE("PAT, type 2", "11.12.4", 0x277, 0x0007040600070402, FAULT_CODE(GP, 0, 0));
  WRITE("PAT, bit 3", "11.12.4", 0x277, 0x000704060007040e, FAULT_CODE(GP, 0, 0));
  WRITE("an MSR that is not there", "Vol. 2 WRMSR", 0x0badc0de, 0, FAULT_CODE(GP, 0, 0));
  PROBE(rdmsr_, "an MSR that is not there, read", "Vol. 2 RDMSR", .mode = KERNEL, .set = {.rcx = 0x0badc0de},
        FAULT_CODE(GP, 0, 0));
}

static void debug_registers(void) {
  const u64 cr4 = read_cr4();
  PROBE(to_dr0, "DR0 takes any address", "17.2.1", .mode = KERNEL, .set = {.rax = HOLE},
        .change = {{R_CX, HOLE}});
  DENIED(to_dr6, "DR6, bit 32", "17.2.6", 1ull << 32);
  DENIED(to_dr7, "DR7, bit 32", "17.2.6", 1ull << 32);
  PROBE(from_dr4, "DR4 is DR6 without DE", "17.2.2", .mode = KERNEL, .change = {{R_AX, 0xffff0ff0}});
  PROBE(from_dr5, "DR5 is DR7 without DE", "17.2.2", .mode = KERNEL, .change = {{R_AX, 0x400}});
  write_cr4(cr4 | 8);
  PROBE(from_dr4, "DR4 with DE", "17.2.2", .mode = KERNEL, FAULT(UD, 0));
  PROBE(from_dr5, "DR5 with DE", "17.2.2", .mode = KERNEL, FAULT(UD, 0));
  write_cr4(cr4);
}

int main(void) {
  probe_init();
  control_registers();
  model_specific_registers();
  debug_registers();
  return probe_result();
}
