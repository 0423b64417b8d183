/* SPDX-License-Identifier: Apache-2.0
   Loads of segment registers, LDTR and TR, and what LAR, LSL, VERR and VERW tell (SDM Vol. 3, 3.4 and 5.4
   to 5.6; Vol. 2, MOV, LLDT, LTR, LAR, LSL, VERR). */
#include "probe.h"

CODE(load_ds, "mov %eax, %ds");
CODE(load_ss, "mov %eax, %ss");
CODE32(load_ds32, "mov %eax, %ds");
CODE32(load_ss32, "mov %eax, %ss");
CODE(lldt_ax, "lldt %ax");
CODE(ltr_ax, "ltr %ax");
CODE(sldt, "sldt %rcx");
CODE(str, "str %ecx");
CODE(rights, "lar %eax, %ecx\nsetz %dl\nand $0xf0ff00, %ecx");
CODE(limit, "lsl %eax, %ecx");
CODE(verify_read, "verr %ax");
CODE(verify_write, "verw %ax");

enum { kFree = FREE_SELECTOR, kBeyond = GDT_ENTRIES * 8 };
#define DESCRIPTOR(value) probe_gdt[kFree / 8] = (value)
static const u64 kData0 = 0x00cf93000000ffff, kData3 = 0x00cff3000000ffff, kReadOnly0 = 0x00cf91000000ffff,
                 kReadOnly3 = 0x00cff1000000ffff, kCode0 = 0x00af9b000000ffff,
                 kConforming0 = 0x00af9f000000ffff, kExecuteOnly3 = 0x00aff9000000ffff,
                 kDownData3 = 0x00cff7000000ffff;

#define DS(m, title, selector, ...) \
  PROBE(load_ds, title, "5.6, Vol. 2 MOV", .mode = m, .set = {.rax = (selector)}, __VA_ARGS__)
#define DS_LOADS(m, title, selector) DS(m, title, selector, .change = {{R_DS, selector}})
#define DS_DENIED(m, title, selector) DS(m, title, selector, FAULT_CODE(GP, (selector) & ~3, 0))

static void data_segments(void) {
  for (enum probe_mode m = KERNEL; m <= USER; ++m) {
    const u16 rpl = m == USER ? 3 : 0;
    DS_LOADS(m, "DS, null", 0);
    DS_LOADS(m, "DS, null with RPL 3", 3);
    DS_DENIED(m, "DS, beyond the table", kBeyond);
    DS_DENIED(m, "DS, a TSS", TSS64);
    DS_DENIED(m, "DS, in an absent LDT", 0xc);
    DESCRIPTOR(kData3);
    DS_LOADS(m, "DS, data of DPL 3, RPL 0", kFree);
    DS_LOADS(m, "DS, data of DPL 3, RPL 3", kFree | 3);
    DESCRIPTOR(kReadOnly3);
    DS_LOADS(m, "DS, read-only data", kFree);
    DESCRIPTOR(kDownData3);
    DS_LOADS(m, "DS, data that expands down", kFree);
    DESCRIPTOR(kConforming0);
    DS_LOADS(m, "DS, conforming readable code of DPL 0, RPL 3", kFree | 3);
    DESCRIPTOR(kExecuteOnly3);
    DS_DENIED(m, "DS, execute-only code", kFree);
    DESCRIPTOR(0x00cf73000000ffff);
    DS(m, "DS, not present", kFree | rpl, FAULT_CODE(NP, kFree, 0));
    DESCRIPTOR(0x00cf72000000ffff);
    DS(m, "DS, not present, is not marked accessed", kFree | rpl, FAULT_CODE(NP, kFree, 0));
    probe_check(m == USER ? "its descriptor, cpl3" : "its descriptor, cpl0", "3.4.5.1", probe_gdt[kFree / 8],
                0x00cf72000000ffff);
    DESCRIPTOR(0x00cff2000000ffff);
    DS_LOADS(m, "DS marks its descriptor accessed", kFree);
    probe_check(m == USER ? "the accessed bit, cpl3" : "the accessed bit, cpl0", "3.4.5.1",
                probe_gdt[kFree / 8], 0x00cff3000000ffff);
  }
  DESCRIPTOR(kData0);
  DS_LOADS(KERNEL, "DS, data of DPL 0, RPL 0", kFree);
  DS_DENIED(KERNEL, "DS, data of DPL 0, RPL 3", kFree | 3);
  DS_DENIED(USER, "DS, data of DPL 0", kFree);
  DESCRIPTOR(kCode0);
  DS_LOADS(KERNEL, "DS, readable code of DPL 0", kFree);
  DS_DENIED(USER, "DS, readable code of DPL 0", kFree);

  for (enum probe_mode m = COMPAT0; m <= LEGACY3; ++m) {
    const int user = m == COMPAT3 || m == LEGACY3;
    PROBE(load_ds32, "DS, null", "5.4.1", .mode = m, .change = {{R_DS, 0}});
    DESCRIPTOR(kExecuteOnly3);
    PROBE(load_ds32, "DS, execute-only code", "5.6", .mode = m, .set = {.rax = kFree},
          FAULT_CODE(GP, kFree, 0));
    PROBE(load_ss32, "SS, null", "5.4.1", .mode = m, .set = {.rax = user ? 3 : 0}, FAULT_CODE(GP, 0, 0));
    DESCRIPTOR(user ? kReadOnly3 : kReadOnly0);
    PROBE(load_ss32, "SS, read-only data", "5.7", .mode = m, .set = {.rax = kFree | (user ? 3 : 0)},
          FAULT_CODE(GP, kFree, 0));
  }
}

#define SS_LOAD(m, title, selector, ...) \
  PROBE(load_ss, title, "5.7, Vol. 2 MOV", .mode = m, .set = {.rax = (selector)}, __VA_ARGS__)

static void stack_segments(void) {
  SS_LOAD(KERNEL, "SS, null", 0, .ss = NULL_SELECTOR);
  SS_LOAD(KERNEL, "SS, null with RPL 3", 3, FAULT_CODE(GP, 0, 0));
  SS_LOAD(USER, "SS, null", 3, FAULT_CODE(GP, 0, 0));
  for (enum probe_mode m = KERNEL; m <= USER; ++m) {
    const u16 rpl = m == USER ? 3 : 0, other = m == USER ? 0 : 3;
    DESCRIPTOR(m == USER ? kData3 : kData0);
    SS_LOAD(m, "SS, data of the level", kFree | rpl, .ss = kFree | rpl);
    SS_LOAD(m, "SS, RPL of another level", kFree | other, FAULT_CODE(GP, kFree, 0));
    DESCRIPTOR(m == USER ? kData0 : kData3);
    SS_LOAD(m, "SS, DPL of another level", kFree | rpl, FAULT_CODE(GP, kFree, 0));
    DESCRIPTOR(m == USER ? kReadOnly3 : kReadOnly0);
    SS_LOAD(m, "SS, read-only data", kFree | rpl, FAULT_CODE(GP, kFree, 0));
    DESCRIPTOR(kCode0);
    SS_LOAD(m, "SS, code", kFree | rpl, FAULT_CODE(GP, kFree, 0));
    DESCRIPTOR(m == USER ? 0x00cf73000000ffff | 3ull << 45 : 0x00cf13000000ffff);
    SS_LOAD(m, "SS, not present", kFree | rpl, FAULT_CODE(SS, kFree, 0));
    SS_LOAD(m, "SS, beyond the table", kBeyond | rpl, FAULT_CODE(GP, kBeyond, 0));
  }
}

static void system_segments(void) {
  static u64 ldt[4] = {0, 0x00cf93000000ffff};
#define LLDT(title, selector, ...) \
  PROBE(lldt_ax, title, "Vol. 2 LLDT", .mode = KERNEL, .set = {.rax = (selector)}, __VA_ARGS__)
  LLDT("LLDT, null", 0);
  LLDT("LLDT, in the LDT", 0xc, FAULT_CODE(GP, 0xc, 0));
  LLDT("LLDT, beyond the table", kBeyond, FAULT_CODE(GP, kBeyond, 0));
  LLDT("LLDT, the upper half beyond the table", kBeyond - 8, FAULT_CODE(GP, kBeyond - 8, 0));
  LLDT("LLDT, a data segment", KERNEL_DATA, FAULT_CODE(GP, KERNEL_DATA, 0));
  LLDT("LLDT, a TSS", TSS64, FAULT_CODE(GP, TSS64, 0));
  probe_system_descriptor(LDT64, (u64)ldt, sizeof ldt - 1, 0x02);
  LLDT("LLDT, not present", LDT64, FAULT_CODE(NP, LDT64, 0));
  probe_system_descriptor(LDT64, (u64)ldt, sizeof ldt - 1, 0x82);
  LLDT("LLDT", LDT64);
  PROBE(sldt, "SLDT", "Vol. 2 SLDT", .mode = KERNEL, .change = {{R_CX, LDT64}});
  DS_LOADS(KERNEL, "DS, in the LDT", 0xc);
  DS_DENIED(KERNEL, "DS, an LDT's entry 0 is not null", 0x4);
  DS_DENIED(KERNEL, "DS, beyond the LDT", 0x24);
  LLDT("LLDT, null again", 0);

#define LTR(title, selector, ...) \
  PROBE(ltr_ax, title, "Vol. 2 LTR", .mode = KERNEL, .set = {.rax = (selector)}, __VA_ARGS__)
  LTR("LTR, null", 0, FAULT_CODE(GP, 0, 0));
  LTR("LTR, in the LDT", 0xc, FAULT_CODE(GP, 0xc, 0));
  LTR("LTR, busy", TSS64, FAULT_CODE(GP, TSS64, 0));
  LTR("LTR, an LDT", LDT64, FAULT_CODE(GP, LDT64, 0));
  LTR("LTR, beyond the table", kBeyond, FAULT_CODE(GP, kBeyond, 0));
  probe_system_descriptor(kFree, (u64)&probe_tss, 0x67, 0x81);
  LTR("LTR, a 16-bit TSS in IA-32e mode", kFree, FAULT_CODE(GP, kFree, 0));
  probe_system_descriptor(kFree, (u64)&probe_tss, 0x67, 0x09);
  LTR("LTR, not present", kFree, FAULT_CODE(NP, kFree, 0));
  probe_system_descriptor(kFree, (u64)&probe_tss, 0x67, 0x89);
  LTR("LTR", kFree);
  probe_check("LTR makes the descriptor busy", "Vol. 2 LTR", probe_gdt[kFree / 8] >> 40 & 0xff, 0x8b);
  PROBE(str, "STR", "Vol. 2 STR", .mode = KERNEL, .change = {{R_CX, kFree}});
  probe_load_tss(0x67);
}

/* Each descriptor and selector, and what the four instructions say at CPL 0 and at CPL 3. */
static void examined(void) {
  enum { kLar = 1, kLsl = 2, kRead = 4, kWrite = 8, kAll = 15, kCan = 5 + 2 };
  static const struct {
    const char* name;
    u64 raw;
    u8 rpl, at0, at3;
  } cases[] = {
      {"data of DPL 3", 0x00cff3000000ffff, 0, kAll, kAll},
      {"data of DPL 3, RPL 3", 0x00cff3000000ffff, 3, kAll, kAll},
      {"data of DPL 0", 0x00cf93000000ffff, 0, kAll, 0},
      {"data of DPL 0, RPL 3", 0x00cf93000000ffff, 3, 0, 0},
      {"read-only data of DPL 3", 0x00cff1000000ffff, 3, kCan, kCan},
      {"byte-granular data", 0x0040f30000001234, 3, kAll, kAll},
      {"readable code of DPL 0", 0x00af9b000000ffff, 0, kCan, 0},
      {"execute-only code of DPL 3", 0x00aff9000000ffff, 3, kLar | kLsl, kLar | kLsl},
      {"conforming code of DPL 0", 0x00af9f000000ffff, 3, kCan, kCan},
      {"data that is not present", 0x00cf73000000ffff, 3, kAll, kAll},
      {"an LDT", 0x0000e20000001234, 3, kLar | kLsl, kLar | kLsl},
      {"a 64-bit TSS", 0x0000e90000001234, 3, kLar | kLsl, kLar | kLsl},
      {"a busy 64-bit TSS", 0x0000eb0000001234, 3, kLar | kLsl, kLar | kLsl},
      {"a 64-bit call gate", 0x0000ec0000001234, 3, kLar, kLar},
      {"a 16-bit TSS in IA-32e mode", 0x0000e10000001234, 3, 0, 0},
      {"a task gate in IA-32e mode", 0x0000e50000001234, 3, 0, 0},
      {"a 64-bit interrupt gate", 0x0000ee0000001234, 3, 0, 0},
  };
  for (u32 i = 0; i < sizeof cases / sizeof *cases; ++i)
    for (enum probe_mode m = KERNEL; m <= USER; ++m) {
      static char title[80];
      static const char* const kVerbs[] = {"LAR of ", "LSL of ", "VERR of ", "VERW of "};
      const u64 raw = cases[i].raw, selector = (u64)kFree | cases[i].rpl;
      const u32 can = m == USER ? cases[i].at3 : cases[i].at0;
      const u64 low = (raw & 0xffff) | (raw >> 32 & 0xf0000), bytes = raw >> 55 & 1 ? low << 12 | 0xfff : low;
      DESCRIPTOR(raw);
      probe_gdt[kFree / 8 + 1] = 0;
      for (u32 verb = 0; verb < 4; ++verb) {
        char* to = title;
        for (const char* p = kVerbs[verb]; *p;) *to++ = *p++;
        for (const char* p = cases[i].name; *p;) *to++ = *p++;
        *to = 0;
        const u64 zf = can >> verb & 1 ? F_ZF : 0;
        struct probe p = {.name = title,
                          .manual = "Vol. 2 LAR, LSL, VERR",
                          .mode = m,
                          .flags_set = zf,
                          .set = {.rax = selector}};
        if (verb == 0) {
          p.code = rights, p.end = rights_end;
          p.flags_set = 0, p.flags_any = F_ARITHMETIC;
          if (zf) {
            p.change[0].reg = R_CX, p.change[0].value = raw >> 32 & 0xf0ff00;
            p.change[1].reg = R_DX, p.change[1].value = 1;
          }
        } else if (verb == 1) {
          p.code = limit, p.end = limit_end;
          if (zf) p.change[0].reg = R_CX, p.change[0].value = bytes;
        } else {
          p.code = verb == 2 ? verify_read : verify_write;
          p.end = verb == 2 ? verify_read_end : verify_write_end;
        }
        probe_run(&p);
      }
    }
}

int main(void) {
  probe_init();
  data_segments();
  stack_segments();
  system_segments();
  examined();
  return probe_result();
}
