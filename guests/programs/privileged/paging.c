/* SPDX-License-Identifier: Apache-2.0
   4-level paging: the permission matrix (P, R/W, U/S, XD at each level, CR0.WP, SMEP, SMAP with AC), error
   codes, CR2, reserved bits, accessed and dirty bits, 4 KiB, 2 MiB and 1 GiB pages, INVLPG and CR3 (SDM Vol.
   3, 4.5 to 4.10). Stale translations are probed only where the architecture guarantees that they are gone.
 */
#include "probe.h"

enum { P = 1, W = 2, U = 4, A = 0x20, D = 0x40, PS = 0x80, G = 0x100 };
#define XD (1ull << 63)
enum { kRead, kWrite, kFetch };
enum { kErrorP = 1, kErrorW = 2, kErrorU = 4, kErrorReserved = 8, kErrorFetch = 16 };
enum { kWp = 1 << 16, kSmep = 1 << 20, kSmap = 1 << 21 };

CODE(load, "mov (%rcx), %al");
CODE(store, "movb $0xcd, (%rcx)");
CODE(jump, "jmp *%rcx");
CODE(load8, "mov (%rcx), %rax");
CODE(add8, "addq $0, (%rcx)");
CODE(load_stale, "mov (%rcx), %al\nmovq $0, (%rdx)\ninvlpg (%rcx)\nmov (%rcx), %al");
CODE(load_reloaded, "mov (%rcx), %al\nmovq $0, (%rdx)\nmov %cr3, %rax\nmov %rax, %cr3\nmov (%rcx), %al");
CODE(fill_in, "mov (%rcx), %al");

static u8 page[4096] __attribute__((aligned(4096))); /* begins with INT 80h */
static u64* const entries[4] = {probe_pml4 + 1, probe_window_pdpt, probe_window_pd, probe_window_pt};
static u64 base[4];

static void reset_tables(void) {
  for (u32 i = 0; i < 4; ++i) *entries[i] = base[i];
  invlpg(WINDOW);
}

static void access(const char* name, const char* section, enum probe_mode m, int how, int error, u64 flags) {
  const char* const code[] = {load, store, jump};
  const char* const end[] = {load_end, store_end, jump_end};
  struct probe p = {.name = name,
                    .manual = section,
                    .code = code[how],
                    .end = end[how],
                    .mode = m,
                    .set = {.rcx = WINDOW, .rflags = flags}};
  if (error >= 0) {
    p.vector = PF, p.at_given = 1, p.has_error = 1, p.error = error, p.cr2 = WINDOW;
    if (how == kFetch) p.rip = WINDOW;
  } else if (how == kRead) {
    p.change[0].reg = R_AX, p.change[0].value = 0xcd;
  } else if (how == kFetch) {
    p.rip = WINDOW + 2;
  }
  page[0] = 0xcd, page[1] = DONE;
  probe_run(&p);
}

/* SDM Vol. 3, 4.6.1 and 4.7: -1 if the access is allowed, else the error code. */
static int allowed(u64 rights, int user, int how, u64 cr0, u64 cr4, int ac) {
  const int error =
      kErrorP | (user ? kErrorU : 0) | (how == kWrite ? kErrorW : 0) | (how == kFetch ? kErrorFetch : 0);
  if (user && !(rights & U)) return error;
  if (how == kFetch) {
    if (rights & XD) return error;
    return !user && rights & U && cr4 & kSmep ? error : -1;
  }
  if (!user && rights & U && cr4 & kSmap && !ac) return error;
  if (how == kWrite && !(rights & W) && (user || cr0 & kWp)) return error;
  return -1;
}

static char* append(char* to, const char* text) {
  while (*text) *to++ = *text++;
  *to = 0;
  return to;
}

static void matrix(u64 cr0, u64 cr4, int ac, const char* under) {
  static char title[80];
  static const char* const kHow[] = {"load", "store", "fetch"};
  write_cr0((read_cr0() & ~(u64)kWp) | cr0);
  write_cr4((read_cr4() & ~(u64)(kSmep | kSmap)) | cr4);
  for (u32 i = 0; i < 8; ++i) {
    const u64 rights = (i & 1 ? W : 0) | (i & 2 ? U : 0) | (i & 4 ? XD : 0);
    for (int how = kRead; how <= kFetch; ++how)
      for (enum probe_mode m = KERNEL; m <= USER; ++m) {
        reset_tables();
        *entries[3] = (u64)page | P | rights;
        char* to = append(title, kHow[how]);
        to = append(to, rights & U ? ", user" : ", supervisor");
        to = append(to, rights & W ? ", writable" : ", read-only");
        to = append(to, rights & XD ? ", no execution" : "");
        append(to, under);
        const int error = allowed(rights, m == USER, how, cr0, cr4, ac);
        access(title, "4.6.1, 4.7", m, how, error, ac ? F_AC : 0);
      }
  }
  write_cr0(read_cr0() | kWp);
  write_cr4(read_cr4() & ~(u64)(kSmep | kSmap));
}

static void levels(void) {
  static const char* const kNames[] = {"PML4E", "PDPTE", "PDE", "PTE"};
  static char title[80];
  for (u32 level = 0; level < 4; ++level)
    for (enum probe_mode m = KERNEL; m <= USER; ++m) {
      const int user = m == USER ? kErrorU : 0;
#define WITH(change, text, how, error)                              \
  reset_tables();                                                   \
  *entries[level] = (base[level] & ~(u64)(change)) | ((change)&XD); \
  append(append(title, kNames[level]), text);                       \
  access(title, "4.6, 4.7", m, how, error, 0)
      WITH(P, " not present, load", kRead, user);
      WITH(P, " not present, store", kWrite, user | kErrorW);
      WITH(P, " not present, fetch", kFetch, user | kErrorFetch);
      WITH(W, " read-only, store", kWrite, user | kErrorW | kErrorP);
      WITH(U, " supervisor, load", kRead, user ? user | kErrorP : -1);
      WITH(XD, " no execution, fetch", kFetch, user | kErrorFetch | kErrorP);
#define RESERVED(bits, text, how, error)      \
  reset_tables();                             \
  *entries[level] = base[level] | (bits);     \
  append(append(title, kNames[level]), text); \
  access(title, "4.7", m, how, (error) | kErrorReserved | kErrorP | user, 0)
      RESERVED(1ull << 51, " with address bit 51, load", kRead, 0);
      if (level == 3) {
        RESERVED(1ull << 51, " with address bit 51, store", kWrite, kErrorW);
        RESERVED(1ull << 51, " with address bit 51, fetch", kFetch, kErrorFetch);
      }
      if (level == 0) {
        RESERVED(PS, " with PS, load", kRead, 0);
      }
      if (level == 1 || level == 2) {
        RESERVED(PS | 1 << 13, " of a large page with bit 13, load", kRead, 0);
      }
    }
  reset_tables();
  /* XD without NXE is reserved, and I/D is then not reported (4.7). */
  const u64 efer = rt_rdmsr(0xc0000080);
  rt_wrmsr(0xc0000080, efer & ~0x800ul);
  *entries[3] = base[3] | XD;
  invlpg(WINDOW);
  access("XD without NXE, load", "4.7", USER, kRead, kErrorP | kErrorU | kErrorReserved, 0);
  *entries[3] = base[3] & ~(u64)U;
  invlpg(WINDOW);
  access("I/D without NXE and SMEP, fetch", "4.7", USER, kFetch, kErrorP | kErrorU, 0);
  rt_wrmsr(0xc0000080, efer);
}

static void check_bits(const char* name, u64 leaf) {
  u64 seen = 0;
  for (u32 i = 0; i < 4; ++i) seen = seen << 8 | (*entries[i] & (A | D));
  probe_check(name, "4.8", seen, leaf);
}

static void accessed_and_dirty(void) {
  reset_tables();
  access("a load sets A", "4.8", USER, kRead, -1, 0);
  check_bits("A and D after a load", 0x20202020);
  access("a store sets A and D", "4.8", USER, kWrite, -1, 0);
  check_bits("A and D after a store", 0x20202060);
  reset_tables();
  access("a fetch sets A", "4.8", USER, kFetch, -1, 0);
  check_bits("A and D after a fetch", 0x20202020);
  reset_tables();
  PROBE(add8, "a read-modify-write sets D", "4.8", .mode = USER, .set = {.rcx = WINDOW},
        .flags_any = F_ARITHMETIC);
  check_bits("A and D after it", 0x20202060);
  reset_tables();
  *entries[3] &= ~(u64)W;
  access("a store that faults", "4.8", USER, kWrite, kErrorP | kErrorU | kErrorW, 0);
  probe_check("D after it", "4.8", *entries[3] & D, 0);
}

static void sizes(void) {
  const u64 offset = (u64)page & 0x1fffff, address = WINDOW + offset;
  page[0] = 0xcd;
  reset_tables();
  *entries[2] = ((u64)page & ~0x1ffffful) | P | W | U | PS;
  invlpg(address);
  PROBE(load, "a page of 2 MiB", "4.5", .mode = USER, .set = {.rcx = address}, .change = {{R_AX, 0xcd}});
  probe_check("its entry after a load", "4.8", *entries[2] & (A | D), A);
  PROBE(store, "a store to it", "4.5", .mode = USER, .set = {.rcx = address});
  probe_check("its entry after a store", "4.8", *entries[2] & (A | D), A | D);
  if (rt_cpuid(0x80000001, 0).edx >> 26 & 1) {
    reset_tables();
    *entries[1] = P | W | U | PS;
    invlpg(WINDOW + (u64)page);
    PROBE(load, "a page of 1 GiB", "4.5", .mode = USER, .set = {.rcx = WINDOW + (u64)page},
          .change = {{R_AX, 0xcd}});
    probe_check("its entry", "4.8", *entries[1] & (A | D), A);
    *entries[1] = base[1];
    invlpg(WINDOW + (u64)page);
  } else {
    probe_skip("a page of 1 GiB", "no pages of 1 GiB");
  }
  write_cr3(read_cr3());
}

static void translations(void) {
  reset_tables();
  PROBE(load_stale, "INVLPG after the entry was cleared", "4.10.4.1", .mode = KERNEL,
        .set = {.rcx = WINDOW, .rdx = (u64)entries[3]}, FAULT_CODE(PF, 0, 12), .cr2 = WINDOW,
        .change = {{R_AX, 0xcd}});
  reset_tables();
  PROBE(load_reloaded, "MOV to CR3 after the entry was cleared", "4.10.4.1", .mode = KERNEL,
        .set = {.rcx = WINDOW, .rdx = (u64)entries[3]}, FAULT_CODE(PF, 0, 15), .cr2 = WINDOW,
        .change = {{R_AX, read_cr3()}});
  reset_tables();
  *entries[3] = 0;
  invlpg(WINDOW);
  PROBE(fill_in, "an entry that is not present", "4.7", .mode = USER, .set = {.rcx = WINDOW},
        FAULT_CODE(PF, 4, 0), .cr2 = WINDOW);
  *entries[3] = base[3];
  PROBE(fill_in, "is not cached: made present without INVLPG", "4.10.4.3", .mode = USER,
        .set = {.rcx = WINDOW}, .change = {{R_AX, 0xcd}});
  probe_window_pt[1] = 0;
  invlpg(WINDOW + 4096);
  PROBE(load8, "a load across the end of a page", "6.15 Interrupt 14", .mode = USER,
        .set = {.rcx = WINDOW + 4092}, FAULT_CODE(PF, 4, 0), .cr2 = WINDOW + 4096);
  page[4095] = 0x48; /* a REX prefix, whose instruction is on the next page */
  PROBE(jump, "a fetch across the end of a page", "6.15 Interrupt 14", .mode = USER,
        .set = {.rcx = WINDOW + 4095}, .rip = WINDOW + 4095, FAULT_CODE(PF, 0x14, 0), .cr2 = WINDOW + 4096);
}

int main(void) {
  probe_init();
  if (!(rt_cpuid(0x80000001, 0).edx >> 20 & 1)) {
    probe_skip("everything", "no execute-disable");
    return RT_EXIT_SKIP;
  }
  rt_wrmsr(0xc0000080, rt_rdmsr(0xc0000080) | 0x800);
  base[0] = (u64)probe_window_pdpt | P | W | U;
  base[1] = (u64)probe_window_pd | P | W | U;
  base[2] = (u64)probe_window_pt | P | W | U;
  base[3] = (u64)page | P | W | U;
  write_cr0(read_cr0() | kWp);
  levels();
  accessed_and_dirty();
  sizes();
  translations();
  reset_tables();
  matrix(kWp, 0, 0, "");
  matrix(0, 0, 0, ", WP off");
  const u32 features = rt_cpuid(7, 0).ebx;
  if (features >> 7 & 1)
    matrix(kWp, kSmep, 0, ", SMEP");
  else
    probe_skip("SMEP", "not in CPUID");
  if (features >> 20 & 1) {
    matrix(kWp, kSmap, 0, ", SMAP");
    matrix(kWp, kSmap, 1, ", SMAP, AC");
    matrix(0, kSmap, 0, ", SMAP, WP off");
  } else {
    probe_skip("SMAP", "not in CPUID");
  }
  return probe_result();
}
