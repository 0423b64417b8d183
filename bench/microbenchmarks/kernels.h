/* SPDX-License-Identifier: Apache-2.0
   Microbenchmarks, each bound by one thing, the same code natively and as a guest. A kernel runs its loop n
   times; `operations` is how many of what it measures an iteration does. The first is the unit: a dependent
   add takes one cycle, so ticks of any clock become core cycles. `memory` is at least KERNEL_MEMORY bytes.
   NOT measured: anything that needs more than one thread, page walks. */
#ifndef PMUSIM_MICROBENCHMARK_KERNELS_H
#define PMUSIM_MICROBENCHMARK_KERNELS_H

#define KERNEL_MEMORY (128ul << 20)
#define KERNEL_LINE 64ul

typedef unsigned long word;

struct kernel {
  const char* name;
  const char* bound; /* "core", "cache" or "memory" */
  void (*run)(word n, char* memory);
  word iterations, operations;
  word bytes; /* 0: no set-up; else a cycle of pointers through so many bytes, one per line */
};

#define CLOBBERS                                                                                            \
  "rax", "rbx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "xmm0", "xmm1", "xmm2", \
      "memory", "cc"

/* %0 counts down, %1 is the memory; LOOP's body must leave both. */
#define KERNEL(name, before, body)                                       \
  static void run_##name(word n, char* memory) {                         \
    __asm__ volatile(before "\n.p2align 6\n1:\n" body "\ndec %0\njnz 1b" \
                     : "+r"(n)                                           \
                     : "r"(memory)                                       \
                     : CLOBBERS);                                        \
  }
#define REPEAT(times, text) ".rept " #times "\n" text "\n.endr\n"

KERNEL(add_chain, "mov $1, %%edx", REPEAT(32, "add %%rdx, %%rax"))
KERNEL(add_independent, "mov $1, %%edx",
       REPEAT(4,
              "add %%rdx, %%rax\nadd %%rdx, %%rbx\nadd %%rdx, %%rsi\nadd %%rdx, %%rdi\nadd %%rdx, %%r8\n"
              "add %%rdx, %%r9\nadd %%rdx, %%r10\nadd %%rdx, %%r11"))
KERNEL(nop, "", REPEAT(48, "nop"))
KERNEL(multiply_chain, "mov $3, %%edx", REPEAT(16, "imul %%rdx, %%rax"))
KERNEL(multiply_independent, "mov $3, %%edx",
       REPEAT(4,
              "imul %%rdx, %%rax\nimul %%rdx, %%rbx\nimul %%rdx, %%rsi\nimul %%rdx, %%rdi\nimul %%rdx, %%r8"))
KERNEL(divide_chain, "mov $1, %%esi\nmov $1, %%eax", REPEAT(8, "xor %%edx, %%edx\ndiv %%rsi"))
KERNEL(fp_add_chain, "xorps %%xmm0, %%xmm0\nxorps %%xmm1, %%xmm1", REPEAT(16, "addsd %%xmm1, %%xmm0"))
KERNEL(fp_multiply_chain, "xorps %%xmm0, %%xmm0\nxorps %%xmm1, %%xmm1", REPEAT(16, "mulsd %%xmm1, %%xmm0"))
KERNEL(fp_divide_chain, "mov $1, %%eax\ncvtsi2sd %%eax, %%xmm0\nmovaps %%xmm0, %%xmm1",
       REPEAT(8, "divsd %%xmm1, %%xmm0"))
KERNEL(load_independent, "", REPEAT(24, "mov (%1), %%rax"))
KERNEL(store_independent, "", REPEAT(16, "mov %%rax, (%1)"))
KERNEL(store_forward, "", REPEAT(8, "mov %%rax, (%1)\nmov (%1), %%rax"))
KERNEL(taken_jumps, "", REPEAT(16, "jmp 2f\nnop\n2:"))
KERNEL(taken_jumps_apart, "", REPEAT(16, "jmp 2f\n.p2align 6\n2:"))
KERNEL(call_return, "jmp 9f\n.p2align 6\n8: ret\n.p2align 6\n9:", REPEAT(4, "call 8b\n.p2align 5"))
/* Taken, not taken, taken, ...: learnt. */
KERNEL(branch_pattern, "xor %%ebx, %%ebx", REPEAT(8, "inc %%ebx\ntest $1, %%bl\njz 2f\nnop\n2:"))
/* By a multiplicative generator's high bit: about every other is wrong. */
KERNEL(branch_random, "mov $12345, %%rbx\nmov $6364136223846793005, %%rsi\nmov $1442695040888963407, %%rdi",
       REPEAT(4, "imul %%rsi, %%rbx\nadd %%rdi, %%rbx\ntest %%rbx, %%rbx\njs 2f\nnop\n2:"))
/* Four targets in turn from one jump. */
KERNEL(indirect_pattern, "xor %%ebx, %%ebx",
       "lea 2f(%%rip), %%rax\nmov %%ebx, %%edx\nand $3, %%edx\nlea (%%rax,%%rdx,8), %%rax\ninc %%ebx\njmp "
       "*%%rax\n"
       ".p2align 4\n2:" REPEAT(4, "jmp 3f\n.p2align 3") "3:")
/* A little of each: y[i] = 3 x[i] + i, with a sum. */
KERNEL(mixed, "xor %%ebx, %%ebx",
       REPEAT(4,
              "mov (%1,%%rbx,8), %%rax\nlea (%%rax,%%rax,2), %%rax\nadd %%rbx, %%rax\n"
              "mov %%rax, 8192(%1,%%rbx,8)\nadd %%rax, %%r8\ninc %%ebx\nand $1023, %%ebx"))
/* Line 0 of page 0 is part of every cycle. */
KERNEL(chase, "mov %1, %%rax", REPEAT(4, "mov (%%rax), %%rax"))

#define READ_LINES(name, bytes)    \
  KERNEL(name, "xor %%ebx, %%ebx", \
         REPEAT(4, "mov (%1,%%rbx), %%rax\nadd $64, %%rbx\nand $" #bytes "-1, %%rbx"))
READ_LINES(read_l2, 0x40000)
READ_LINES(read_l3, 0x200000)
READ_LINES(read_dram, 0x8000000)
KERNEL(write_dram, "xor %%ebx, %%ebx",
       REPEAT(4, "mov %%rax, (%1,%%rbx)\nadd $64, %%rbx\nand $0x8000000-1, %%rbx"))

static const struct kernel kernels[] = {
    {"add_chain", "core", run_add_chain, 20000, 32, 0},
    {"add_independent", "core", run_add_independent, 20000, 32, 0},
    {"nop", "core", run_nop, 20000, 48, 0},
    {"multiply_chain", "core", run_multiply_chain, 20000, 16, 0},
    {"multiply_independent", "core", run_multiply_independent, 20000, 20, 0},
    {"divide_chain", "core", run_divide_chain, 10000, 8, 0},
    {"fp_add_chain", "core", run_fp_add_chain, 20000, 16, 0},
    {"fp_multiply_chain", "core", run_fp_multiply_chain, 20000, 16, 0},
    {"fp_divide_chain", "core", run_fp_divide_chain, 10000, 8, 0},
    {"load_independent", "core", run_load_independent, 20000, 24, 0},
    {"store_independent", "core", run_store_independent, 20000, 16, 0},
    {"store_forward", "core", run_store_forward, 10000, 8, 0},
    {"taken_jumps", "core", run_taken_jumps, 20000, 16, 0},
    {"taken_jumps_apart", "core", run_taken_jumps_apart, 20000, 16, 0},
    {"call_return", "core", run_call_return, 20000, 4, 0},
    {"branch_pattern", "core", run_branch_pattern, 20000, 8, 0},
    {"branch_random", "core", run_branch_random, 50000, 4, 0},
    {"indirect_pattern", "core", run_indirect_pattern, 50000, 1, 0},
    {"mixed", "core", run_mixed, 20000, 4, 0},
    {"chase_l1", "cache", run_chase, 40000, 4, 0x4000},
    {"chase_l2", "cache", run_chase, 40000, 4, 0x40000},
    {"chase_l3", "cache", run_chase, 40000, 4, 0x200000},
    {"chase_dram", "memory", run_chase, 50000, 4, 0x8000000},
    {"read_l2", "cache", run_read_l2, 40000, 4, 0},
    {"read_l3", "cache", run_read_l3, 100000, 4, 0},
    {"read_dram", "memory", run_read_dram, 500000, 4, 0},
    {"write_dram", "memory", run_write_dram, 500000, 4, 0},
};

/* One cycle through all lines, in an order that no prefetcher follows: i -> 1664525 i + 1013904223 modulo
   their number, a power of two (Knuth, "The Art of Computer Programming", volume 2, 3.2.1.2: full period). */
static void link_lines(char* memory, word bytes) {
  const word lines = bytes / KERNEL_LINE;
  for (word i = 0; i < lines; ++i)
    *(char**)(memory + i * KERNEL_LINE) = memory + ((i * 1664525 + 1013904223) & (lines - 1)) * KERNEL_LINE;
}

static word ticks_now(void) {
  unsigned lo, hi;
  __asm__ volatile("lfence\nrdtsc\nlfence" : "=a"(lo), "=d"(hi) : : "memory");
  return lo | (word)hi << 32;
}

/* Ticks of one run after a warm-up of a quarter. */
static word measure(const struct kernel* k, char* memory) {
  if (k->bytes) link_lines(memory, k->bytes);
  k->run(k->iterations / 4, memory);
  const word start = ticks_now();
  k->run(k->iterations, memory);
  return ticks_now() - start;
}

#endif
