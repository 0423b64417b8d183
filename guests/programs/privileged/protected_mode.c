/* SPDX-License-Identifier: Apache-2.0
   32-bit protected mode outside long mode: gates of both sizes, 32-bit and PAE paging with 4 KiB, 4 MiB and 2
   MiB pages and their permissions (SDM Vol. 3, 4.3, 4.4, 4.6 and 6.12). Stack switches through a broken TSS
   are not probed: their own faults would need the same stack. */
#include "probe.h"

enum { P = 1, W = 2, U = 4, A = 0x20, D = 0x40, PS = 0x80 };
enum { kPse = 0x10, kPae = 0x20, kWp = 1 << 16 };
enum { kPage = 0x10000000, kLarge = 0x20000000, kVector = 0x90, kError = kVector * 8 + 2 };
#define XD (1ull << 63)

CODE32(interrupt, "int $0x90");
CODE32(load, "mov (%ecx), %al");
CODE32(store, "movb $0xcd, (%ecx)");
CODE32(jump, "jmp *%ecx");
CODE32(mov_to_cr0, "mov %eax, %cr0");

static u32 directory[1024] __attribute__((aligned(4096)));
static u32 table[1024] __attribute__((aligned(4096)));
static u64 pae_pointers[4] __attribute__((aligned(4096)));
static u64 pae_directory[4][512] __attribute__((aligned(4096)));
static u64 pae_table[512] __attribute__((aligned(4096)));
static u8 page[4096] __attribute__((aligned(4096)));

static void gates(void) {
  const u32 stub = (u32)(u64)probe_legacy_stubs + 16 * kVector;
#define INT(m, title, section, ...) PROBE(interrupt, title, section, .mode = m, __VA_ARGS__)
  for (enum probe_mode m = LEGACY0; m <= LEGACY3; ++m) {
    probe_legacy_gate(kVector, stub, KERNEL_CODE32, 0xee);
    INT(m, "an interrupt gate clears IF", "6.12.1.3", .set = {.rflags = F_IF | F_NT}, FAULT(kVector, 2));
    probe_legacy_gate(kVector, stub, KERNEL_CODE32, 0xef);
    INT(m, "a trap gate leaves IF", "6.12.1.3", .set = {.rflags = F_IF}, FAULT(kVector, 2), .trap_gate = 1);
    probe_legacy_gate(kVector, stub, KERNEL_CODE32, 0x6e);
    INT(m, "a gate that is not present", "6.15 Interrupt 11", FAULT_CODE(NP, kError, 0));
    probe_legacy_gate(kVector, stub, KERNEL_CODE32, 0xec);
    INT(m, "a call gate in the IDT", "6.11", FAULT_CODE(GP, kError, 0));
    probe_legacy_gate(kVector, stub, 0, 0xee);
    INT(m, "a null selector", "Vol. 2 INT n", FAULT_CODE(GP, 0, 0));
    probe_legacy_gate(kVector, stub, KERNEL_DATA, 0xee);
    INT(m, "a data segment", "Vol. 2 INT n", FAULT_CODE(GP, KERNEL_DATA, 0));
    probe_gdt[FREE_SELECTOR / 8] = 0x00409b000000ffff;
    probe_legacy_gate(kVector, stub, FREE_SELECTOR, 0xee);
    INT(m, "a handler beyond the limit of its segment", "Vol. 2 INT n", FAULT_CODE(GP, 0, 0));
    probe_gdt[FREE_SELECTOR / 8] = 0x00cf1b000000ffff;
    INT(m, "a code segment that is not present", "Vol. 2 INT n", FAULT_CODE(NP, FREE_SELECTOR, 0));
  }
  probe_legacy_gate(kVector, stub, USER_CODE32, 0xee);
  INT(LEGACY0, "a code segment of an outer level", "Vol. 2 INT n", FAULT_CODE(GP, USER_CODE32, 0));
  probe_legacy_gate(kVector, stub, KERNEL_CODE32, 0x8e);
  INT(LEGACY0, "a gate of DPL 0", "6.12.1.2", FAULT(kVector, 2));
  INT(LEGACY3, "a gate of DPL 0", "6.12.1.2", FAULT_CODE(GP, kError, 0));
}

static char title[80];
static void named(const char* what, const char* with, const char* under) {
  const char* const parts[] = {what, with, under};
  char* to = title;
  for (u32 i = 0; i < 3; ++i)
    for (const char* p = parts[i]; *p;) *to++ = *p++;
  *to = 0;
}

static void access(enum probe_mode m, int how, u64 at, int error) {
  const char* const code[] = {load, store, jump};
  const char* const end[] = {load_end, store_end, jump_end};
  struct probe p = {
      .name = title, .manual = "4.6, 4.7", .code = code[how], .end = end[how], .mode = m, .set = {.rcx = at}};
  if (error >= 0) {
    p.vector = PF, p.at_given = 1, p.has_error = 1, p.error = error, p.cr2 = at;
    if (how == 2) p.rip = at;
  } else if (how == 0) {
    p.change[0].reg = R_AX, p.change[0].value = 0xcd;
  } else if (how == 2) {
    p.rip = at + 2;
  }
  page[0] = 0xcd, page[1] = DONE;
  probe_run(&p);
}

/* The entry of kPage with each combination of rights, loads, stores and fetches at both levels. */
static void matrix(const char* under, int pae) {
  static const char* const kHow[] = {"load, ", "store, ", "fetch, "};
  static const char* const kRights[] = {"supervisor, read-only", "supervisor, writable", "user, read-only",
                                        "user, writable"};
  for (u64 wp = 0; wp < 2; ++wp) {
    write_cr0((read_cr0() & ~(u64)kWp) | wp * kWp);
    for (u32 i = 0; i < 4; ++i)
      for (int how = 0; how < 3; ++how)
        for (enum probe_mode m = LEGACY0; m <= LEGACY3; ++m) {
          const int user = m == LEGACY3;
          const u64 entry = (u64)page | P | (i & 1 ? W : 0) | (i & 2 ? U : 0);
          if (pae)
            pae_table[0] = entry;
          else
            table[0] = (u32)entry;
          const int denied = user ? !(i & 2) || (how == 1 && !(i & 1)) : how == 1 && !(i & 1) && wp;
          named(kHow[how], kRights[i], under);
          char* end = title;
          while (*end) ++end;
          for (const char* p = wp ? "" : ", WP off"; *p;) *end++ = *p++;
          *end = 0;
          /* I/D is reported with PAE and NXE only. */
          access(m, how, kPage,
                 denied ? P | (how == 1 ? W : 0) | (user ? U : 0) | (how == 2 && pae ? 0x10 : 0) : -1);
        }
  }
  write_cr0(read_cr0() | kWp);
}

static void paging_32_bit(void) {
  for (u32 i = 0; i < 4; ++i) directory[i] = i << 22 | P | W | U | PS;
  directory[kPage >> 22] = (u32)(u64)table | P | W | U;
  directory[kLarge >> 22] = ((u32)(u64)page & 0xffc00000) | P | W | U | PS;
  probe_legacy_cr3 = (u32)(u64)directory;
  probe_legacy_cr4 = kPse;
  matrix(", 32-bit paging", 0);
  const u64 inside = kLarge + ((u64)page & 0x3fffff);
  table[0] = 0;
  named("load, not present", ", 32-bit paging", "");
  access(LEGACY3, 0, kPage, U);
  named("load, page of 4 MiB", "", "");
  access(LEGACY3, 0, inside, -1);
  probe_check("its entry after a load", "4.8", directory[kLarge >> 22] & (A | D), A);
  named("store, page of 4 MiB", "", "");
  access(LEGACY3, 1, inside, -1);
  probe_check("its entry after a store", "4.8", directory[kLarge >> 22] & (A | D), A | D);
  directory[kLarge >> 22] |= 1 << 21;
  named("load, page of 4 MiB with bit 21", "", "");
  access(LEGACY3, 0, kLarge, P | U | 8);
  PROBE(mov_to_cr0, "paging turned off", "9.9.2", .mode = LEGACY0, .set = {.rax = read_cr0() & 0x7fffffff});
}

static void paging_pae(void) {
  for (u32 i = 0; i < 8; ++i) pae_directory[0][i] = (u64)i << 21 | P | W | U | PS;
  for (u32 i = 0; i < 4; ++i) pae_pointers[i] = (u64)pae_directory[i] | P;
  pae_directory[0][kPage >> 21] = (u64)pae_table | P | W | U;
  probe_legacy_cr3 = (u32)(u64)pae_pointers;
  probe_legacy_cr4 = kPae;
  matrix(", PAE", 1);
  pae_table[0] = (u64)page | P | W | U | XD;
  named("fetch, no execution", ", PAE", "");
  access(LEGACY3, 2, kPage, P | U | 0x10);
  pae_table[0] = (u64)page | P | W | U | 1ull << 62;
  named("load, bit 62", ", PAE", "");
  access(LEGACY3, 0, kPage, P | U | 8);
  pae_table[0] = (u64)page | P | W | U;
  pae_directory[0][kLarge >> 21] = ((u64)page & ~0x1fffffull) | P | W | U | PS;
  named("store, page of 2 MiB", ", PAE", "");
  access(LEGACY3, 1, kLarge + ((u64)page & 0x1fffff), -1);
  probe_check("its entry", "4.8", pae_directory[0][kLarge >> 21] & (A | D), A | D);
}

int main(void) {
  probe_init();
  gates();
  rt_wrmsr(0xc0000080, rt_rdmsr(0xc0000080) | 0x800);
  paging_32_bit();
  paging_pae();
  return probe_result();
}
