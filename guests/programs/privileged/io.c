/* SPDX-License-Identifier: Apache-2.0
   IOPL, the I/O permission bitmap, CLI, STI and POPF (SDM Vol. 1, 19.5; Vol. 2, IN, OUT, CLI, STI, POPF). The
   port is 80H, which takes diagnostic codes and does nothing. */
#include "probe.h"

CODE(out8, "out %al, $0x80");
CODE(out16, "out %ax, $0x80");
CODE(out32, "out %eax, $0x80");
CODE(out_dx, "out %al, %dx");
CODE(outs, "outsb");
CODE(cli_, "cli");
CODE(sti_, "sti\nnop");
CODE(popfq_, "popfq");
CODE(popfw_, "popfw");
CODE(pushf_, "pushfq\npop %rax");
CODE32(out8_32, "out %al, $0x80");
CODE32(cli32, "cli");
CODE32(popfl_, "popfl");

static void bitmap(void) {
  for (u32 i = 0; i < sizeof probe_tss.map; ++i) probe_tss.map[i] = 0xff;
  const u32 at = __builtin_offsetof(struct probe_tss, map);
  probe_tss.io_map = (u16)at;
  probe_load_tss(sizeof probe_tss - 1);
#define OUT(label, title, ...) PROBE(label, title, "Vol. 1 19.5.2", .mode = USER, __VA_ARGS__)
#define DENIED FAULT_CODE(GP, 0, 0)
  OUT(out8, "OUT of a byte, bit set", DENIED);
  probe_tss.map[0x10] = 0xfe;
  OUT(out8, "OUT of a byte, bit clear", .vector = 0);
  OUT(out16, "OUT of a word, the second bit set", DENIED);
  probe_tss.map[0x10] = 0xfc;
  OUT(out16, "OUT of a word, both bits clear", .vector = 0);
  OUT(out32, "OUT of 4 bytes, two bits set", DENIED);
  probe_tss.map[0x10] = 0xf0;
  OUT(out32, "OUT of 4 bytes, all bits clear", .vector = 0);
  OUT(outs, "OUTS, bit set", .set = {.rdx = 0x84, .rsi = USER_ALIAS + (u64)&probe_tss}, DENIED);
  OUT(out_dx, "OUT to DX, bit set", .set = {.rdx = 0x84}, DENIED);
  probe_load_tss(at + 0x10);
  OUT(out8, "the byte after the port's lies beyond the limit", DENIED);
  probe_load_tss(at + 0x11);
  OUT(out8, "the byte after the port's is the last", .vector = 0);
  probe_tss.io_map = 0xffff;
  OUT(out8, "a map beyond the limit", DENIED);
  OUT(out8, "a map beyond the limit, IOPL 3", .set = {.rflags = F_IOPL});
  PROBE(out8, "a map beyond the limit", "Vol. 1 19.5.2", .mode = KERNEL);
  PROBE(out8_32, "a map beyond the limit", "Vol. 1 19.5.2", .mode = COMPAT3, DENIED);
  PROBE(out8_32, "a map beyond the limit, IOPL 3", "Vol. 1 19.5.2", .mode = COMPAT3,
        .set = {.rflags = F_IOPL});

  probe_tss32.io_map = __builtin_offsetof(struct probe_tss32, map);
  for (u32 i = 0; i < sizeof probe_tss32.map; ++i) probe_tss32.map[i] = 0xff;
  PROBE(out8_32, "OUT of a byte, bit set", "Vol. 1 19.5.2", .mode = LEGACY3, DENIED);
  probe_tss32.map[0x10] = 0xfe;
  PROBE(out8_32, "OUT of a byte, bit clear", "Vol. 1 19.5.2", .mode = LEGACY3);
  probe_tss32.io_map = 0xffff;
  PROBE(out8_32, "a map beyond the limit", "Vol. 1 19.5.2", .mode = LEGACY3, DENIED);
  PROBE(out8_32, "a map beyond the limit", "Vol. 1 19.5.2", .mode = LEGACY0);
}

static void interrupt_flag(void) {
  static u64 words[16];
  for (u64 iopl = 0; iopl < 4; ++iopl) {
    static char cli_name[] = "CLI, IOPL 0", sti_name[] = "STI, IOPL 0",
                popf_name[] = "POPF that sets IF, IOPL 0";
    cli_name[10] = sti_name[10] = popf_name[24] = (char)('0' + iopl);
    const u64 given = iopl << 12, top = USER_ALIAS + (u64)(words + 8);
    if (iopl == 3) {
      PROBE(cli_, cli_name, "Vol. 2 CLI", .mode = USER, .set = {.rflags = given | F_IF}, .flags_clear = F_IF);
      PROBE(sti_, sti_name, "Vol. 2 STI", .mode = USER, .set = {.rflags = given}, .flags_set = F_IF);
    } else {
      PROBE(cli_, cli_name, "Vol. 2 CLI", .mode = USER, .set = {.rflags = given | F_IF}, DENIED);
      PROBE(sti_, sti_name, "Vol. 2 STI", .mode = USER, .set = {.rflags = given}, DENIED);
    }
    words[8] = F_IF | F_CF | F_IOPL | F_NT | F_AC;
    PROBE(popfq_, popf_name, "Vol. 2 POPF, table 4-16", .mode = USER, .set = {.rflags = given, .rsp = top},
          .rsp = 8, .flags_set = (iopl == 3 ? F_IF : 0) | F_CF | F_NT | F_AC);
  }
  PROBE(cli_, "CLI, IOPL 0", "Vol. 2 CLI", .mode = KERNEL, .set = {.rflags = F_IF}, .flags_clear = F_IF);
  words[8] = ~(u64)(F_TF | F_IF);
  PROBE(popfq_, "POPF of all ones but TF and IF", "Vol. 2 POPF, table 4-16", .mode = KERNEL,
        .set = {.rsp = (u64)(words + 8)}, .rsp = 8,
        .flags_set = F_ARITHMETIC | F_DF | F_IOPL | F_NT | F_AC | 1 << 21);
  words[8] = 0;
  PROBE(popfq_, "POPF of 0", "Vol. 2 POPF, table 4-16", .mode = KERNEL,
        .set = {.rsp = (u64)(words + 8), .rflags = F_ARITHMETIC | F_DF | F_IOPL | F_NT | F_AC | 1 << 21},
        .rsp = 8, .flags_clear = F_ARITHMETIC | F_DF | F_IOPL | F_NT | F_AC | 1 << 21);
  words[8] = 0;
  PROBE(popfw_, "POPFW leaves AC and ID", "Vol. 2 POPF, table 4-16", .mode = KERNEL,
        .set = {.rsp = (u64)(words + 8), .rflags = F_IOPL | F_NT | F_AC | 1 << 21}, .rsp = 2,
        .flags_clear = F_IOPL | F_NT);
  PROBE(pushf_, "PUSHF has RF clear", "Vol. 2 PUSHF", .mode = KERNEL, .set = {.rflags = F_RF | F_CF},
        .change = {{R_AX, 3}});
  for (enum probe_mode m = COMPAT3; m <= LEGACY3; m += LEGACY3 - COMPAT3) {
    PROBE(cli32, "CLI, IOPL 0", "Vol. 2 CLI", .mode = m, .set = {.rflags = F_IF}, DENIED);
    PROBE(cli32, "CLI, IOPL 3", "Vol. 2 CLI", .mode = m, .set = {.rflags = F_IF | F_IOPL},
          .flags_clear = F_IF);
    words[8] = F_IF | F_CF | F_IOPL;
    PROBE(popfl_, "POPFD, IOPL 0", "Vol. 2 POPF", .mode = m,
          .set = {.rsp = (u64)(words + 8) + (m == COMPAT3 ? USER_ALIAS : 0)}, .rsp = 4, .flags_set = F_CF);
  }
}

int main(void) {
  probe_init();
  bitmap();
  interrupt_flag();
  return probe_result();
}
