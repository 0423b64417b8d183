/* SPDX-License-Identifier: Apache-2.0
   Probes of privileged semantics. A probe runs a few instructions in a chosen mode, privilege level and
   register state until an interrupt ends it (INT 80h behind the last instruction, if nothing comes before),
   and prints one line with everything that can be seen of that: vector, error code, return address, RFLAGS,
   CS, SS and stack pointer in the frame, the handler's CS, SS, RFLAGS and frame position, CR2, DR6, every
   register that changed. The line begins with PASS if all of it is what the manual says. What a probe does
   not mention must be as it was, so an expectation names only what is particular. Rules: nothing depends on
   time or counters; the code under test is position-independent (at CPL 3 it is executed through an alias of
   the image that user mode may access). */
#ifndef PMUSIM_GUEST_PROBE_H
#define PMUSIM_GUEST_PROBE_H

#include "layout.h"
#include "rt.h"

struct probe_regs {
  u64 rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15;
  u64 rip, rflags, cs, ss, ds, es, fs, gs;
};

struct probe_seen {
  u64 rax, rcx, rdx, rbx, unused, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15;
  u64 vector, rsp, rflags, cs, ss, ds, es, fs, gs, cr2, dr6;
  u64 frame[6];
};

/* KERNEL: 64-bit code at CPL 0; USER: at CPL 3; COMPAT0, COMPAT3: 32-bit code under long mode; LEGACY0,
   LEGACY3: 32-bit protected mode, paging off; REAL: real mode; V86, V86_IOPL0: virtual-8086 mode with IOPL 3
   and 0 (INT 80h behind the last instruction is then #GP). All from LEGACY0 on leave long mode and come
   back. */
enum probe_mode { KERNEL, USER, COMPAT0, COMPAT3, LEGACY0, LEGACY3, REAL, V86, V86_IOPL0 };

enum { DB = 1, BP = 3, OF, BR, UD, NM, DF, TS = 10, NP, SS, GP, PF, MF = 16, AC, XM = 19 };
enum { NO_ERROR_CODE = -1 };
enum {
  F_CF = 1,
  F_ZF = 1 << 6,
  F_TF = 1 << 8,
  F_IF = 1 << 9,
  F_DF = 1 << 10,
  F_OF = 1 << 11,
  F_IOPL = 3 << 12,
  F_NT = 1 << 14,
  F_RF = 1 << 16,
  F_VM = FLAG_VM,
  F_AC = 1 << 18,
  F_ARITHMETIC = 0x8d5
};

/* Registers by number, as in encodings; 0 in `change` lists ends them, so they count from 1. */
enum { R_AX = 1, R_CX, R_DX, R_BX, R_SP, R_BP, R_SI, R_DI, R_8, R_9, R_10, R_11, R_12, R_13, R_14, R_15 };
enum { R_DS = 22, R_ES, R_FS, R_GS };

struct probe {
  const char *name, *manual;
  const char *code, *end;
  enum probe_mode mode;
  struct probe_regs set; /* registers at the start; those that are 0 get a default */
  u64 dr7;
  int own_stack; /* the probe's stack is no stack: exceptions switch to IST 1 */
  /* Expected: */
  int vector; /* 0 with `de`, else by number; DONE, the default, is written as 0 */
  int de;     /* vector 0 is expected */
  int has_error, error;
  int at; /* return address, from the code's first byte; default: behind the INT that ends it */
  int at_given;
  u64 rip;                    /* ... or this address, if not 0 */
  u64 flags_set, flags_clear; /* in the frame's RFLAGS, compared with the start */
  u64 flags_any;              /* undefined by the manual: neither compared nor printed */
  int cs, ss;                 /* in the frame; 0: as at the start; NULL_SELECTOR: 0 */
  int rsp;                    /* in the frame, minus RSP at the start */
  u64 rsp_is;                 /* ... or this value */
  u64 cr2;
  u64 dr6; /* what is not as after MOV DR6, FFFF0FF0H */
  struct {
    u8 reg;
    u64 value;
  } change[6];
  u64 stack; /* where the handler's stack begins; 0: the TSS's or the current one; #DF has IST 1 */
  int handler_cs, handler_ss; /* 0: KERNEL_CODE, and KERNEL_DATA or null */
  int trap_gate;              /* the handler has IF as it was */
};
enum { NULL_SELECTOR = -1 };

#define CODE_OF_WIDTH(label, width, text)                                                                 \
  extern const char label[], label##_end[];                                                               \
  __asm__(".pushsection .text.probe, \"ax\"\n.balign 64\n.code" #width "\n" #label ":\n" text "\n" #label \
          "_end:\nint $0x80\n.code64\n.popsection")
#define CODE(label, text) CODE_OF_WIDTH(label, 64, text)
#define CODE32(label, text) CODE_OF_WIDTH(label, 32, text)
#define CODE16(label, text) CODE_OF_WIDTH(label, 16, text)

/* A fault expected at a byte offset of the code, and one with an error code. */
#define FAULT(v, offset) .vector = (v), .at = (offset), .at_given = 1
#define FAULT_CODE(v, code, offset) FAULT(v, offset), .has_error = 1, .error = (int)(code)

#define PROBE(label, title, section, ...) \
  probe_run(&(struct probe){.name = title, .manual = section, .code = label, .end = label##_end, __VA_ARGS__})

void probe_init(void);
int probe_result(void);               /* what main() returns: RT_EXIT_PASS or RT_EXIT_FAIL */
int probe_run(const struct probe* p); /* 1: as expected */
int probe_check(const char* name, const char* manual, u64 is,
                u64 expected); /* a value as a line of its own */
void probe_skip(const char* name, const char* why);

extern struct probe_seen probe_out; /* of the last probe */
extern u64 probe_gdt[GDT_ENTRIES];
struct probe_gate {
  u16 low, selector;
  u8 ist, type;
  u16 middle;
  u32 high, zero;
} __attribute__((packed));
extern struct probe_gate probe_idt[256];
struct probe_tss {
  u32 reserved0;
  u64 rsp[3], reserved1, ist[7], reserved2;
  u16 reserved3, io_map;
  u8 map[0x2001];
} __attribute__((packed));
extern struct probe_tss probe_tss;

void probe_gate(u8 vector, u64 offset, u16 selector, u8 type, u8 ist); /* type: with P and DPL */
void probe_restore_gate(u8 vector);
void probe_load_tss(u32 limit);
void probe_load_idt(u16 limit);
void probe_system_descriptor(u16 selector, u64 base, u32 limit, u8 type);
extern const char probe_iret[], probe_caught[], probe_stubs[], probe_legacy_stubs[];
static inline u64 probe_stub(u8 vector) {
  return (u64)probe_stubs + 32ul * vector;
}

/* Outside long mode. */
struct probe_tss32 {
  u32 link, esp0, ss0, esp1, ss1, esp2, ss2, cr3, registers[16], ldt;
  u16 trap, io_map;
  u8 map[0x20];
} __attribute__((packed));
extern struct probe_tss32 probe_tss32;
extern u32 probe_legacy_cr3, probe_legacy_cr4; /* paging of LEGACY0 and LEGACY3; 0: off */
void probe_legacy_gate(u8 vector, u32 offset, u16 selector, u8 type);
void probe_legacy_restore_gate(u8 vector);
void probe_set_real_limit(u16 limit); /* of the IDT */

/* CPL 3 sees the image here, with user rights; CPL 0 where it is linked, as supervisor pages. */
#define USER_ALIAS 0xc0000000ull
static inline u64 user_address(const void* p) {
  return (u64)p + USER_ALIAS;
}
/* A window of 2 MiB with a page table of its own, empty: entries are the probe's. */
#define WINDOW 0x8000000000ull
extern u64 probe_window_pml4[], probe_window_pdpt[], probe_window_pd[], probe_window_pt[];
extern u64 probe_pml4[];

static inline u64 read_cr0(void) {
  u64 v;
  __asm__ volatile("mov %%cr0, %0" : "=r"(v));
  return v;
}
static inline u64 read_cr3(void) {
  u64 v;
  __asm__ volatile("mov %%cr3, %0" : "=r"(v));
  return v;
}
static inline u64 read_cr4(void) {
  u64 v;
  __asm__ volatile("mov %%cr4, %0" : "=r"(v));
  return v;
}
static inline void write_cr0(u64 v) {
  __asm__ volatile("mov %0, %%cr0" : : "r"(v) : "memory");
}
static inline void write_cr3(u64 v) {
  __asm__ volatile("mov %0, %%cr3" : : "r"(v) : "memory");
}
static inline void write_cr4(u64 v) {
  __asm__ volatile("mov %0, %%cr4" : : "r"(v) : "memory");
}
static inline void write_dr(int n, u64 v) {
  switch (n) {
    case 0:
      __asm__ volatile("mov %0, %%dr0" : : "r"(v));
      break;
    case 1:
      __asm__ volatile("mov %0, %%dr1" : : "r"(v));
      break;
    case 2:
      __asm__ volatile("mov %0, %%dr2" : : "r"(v));
      break;
    case 3:
      __asm__ volatile("mov %0, %%dr3" : : "r"(v));
      break;
    case 6:
      __asm__ volatile("mov %0, %%dr6" : : "r"(v));
      break;
    default:
      __asm__ volatile("mov %0, %%dr7" : : "r"(v));
  }
}
static inline void invlpg(u64 address) {
  __asm__ volatile("invlpg (%0)" : : "r"(address) : "memory");
}
int probe_intel(void); /* by CPUID's vendor */

#endif
