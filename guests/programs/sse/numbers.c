/* SPDX-License-Identifier: Apache-2.0
   Arithmetic as a compiler makes it for x86-64 by default: scalar and packed SSE2, long double on the x87,
   blocks moved through XMM registers. Prints bit patterns, so that every digit counts; the text is the same
   wherever the arithmetic is IEEE 754 (no approximations, no transcendental instructions). */
#include <stdbool.h>

#include "rt.h"

enum { N = 24 };
typedef float v4sf __attribute__((vector_size(16)));
typedef int v4si __attribute__((vector_size(16)));
typedef short v8hi __attribute__((vector_size(16)));

struct block {
  u64 word[16];
};

static double a[N][N], b[N][N], product[N][N];
static float series[256];
static struct block blocks[8];

static u64 bits(double value) {
  u64 to;
  __builtin_memcpy(&to, &value, 8);
  return to;
}
static u32 bits_of_float(float value) {
  u32 to;
  __builtin_memcpy(&to, &value, 4);
  return to;
}
static u32 mxcsr(void) {
  u32 value;
  __asm__ volatile("stmxcsr %0" : "=m"(value) : : "memory");
  return value;
}

/* A generator that is exact in double precision. */
static u32 state = 12345;
static double random_number(void) {
  state = state * 1664525 + 1013904223;
  return (double)(int)state / 65536.0;
}

static void __attribute__((noinline)) matrices(void) {
  for (int i = 0; i < N; ++i)
    for (int j = 0; j < N; ++j) {
      a[i][j] = random_number();
      b[i][j] = random_number();
    }
  double trace = 0, largest = 0;
  for (int i = 0; i < N; ++i)
    for (int j = 0; j < N; ++j) {
      double sum = 0;
      for (int k = 0; k < N; ++k) sum += a[i][k] * b[k][j];
      product[i][j] = sum;
      if (i == j) trace += sum;
      if (sum > largest) largest = sum;
    }
  rt_printf("product: trace %lx largest %lx root %lx\n", bits(trace), bits(largest),
            bits(__builtin_sqrt(largest)));
}

static void __attribute__((noinline)) singles(void) {
  v4sf sum = {0, 0, 0, 0}, scale = {1.5f, -0.25f, 3.0f, 1.0f / 3.0f};
  for (int i = 0; i < 256; ++i) series[i] = (float)random_number();
  for (int i = 0; i < 256; i += 4) {
    v4sf v;
    __builtin_memcpy(&v, series + i, sizeof v);
    sum += v * scale - v / (scale + 2.0f);
  }
  const v4si truncated = __builtin_convertvector(sum, v4si);
  rt_printf("singles: %x %x %x %x, truncated %d %d %d %d\n", bits_of_float(sum[0]), bits_of_float(sum[1]),
            bits_of_float(sum[2]), bits_of_float(sum[3]), truncated[0], truncated[1], truncated[2],
            truncated[3]);
}

static void __attribute__((noinline)) integers(void) {
  v8hi x = {1, -2, 300, -400, 5000, -6000, 7, -8}, y = {9, 10, -11, 12, -13, 14, 15, 32767};
  v4si mask = {0};
  u32 hash = 0;
  for (int i = 0; i < 100; ++i) {
    const v8hi product_of = x * y;
    const v8hi greater = y > x;
    y = (greater & (x - y)) | (~greater & (x + (y >> 3)));
    x = product_of ^ (y << 1);
    mask += __builtin_convertvector((v4si)x < (v4si)y, v4si);
  }
  for (int i = 0; i < 8; ++i) hash = hash * 31 + (u32)x[i] + (u32)y[i] * 7;
  rt_printf("integers: hash %x masks %d %d %d %d\n", hash, mask[0], mask[1], mask[2], mask[3]);
}

static void __attribute__((noinline)) blocks_moved(void) {
  for (u32 i = 0; i < 8; ++i)
    for (u32 j = 0; j < 16; ++j) blocks[i].word[j] = (i * 16 + j) * 0x0101010101010101ull;
  for (int i = 0; i < 7; ++i) {
    const struct block kept = blocks[i];
    blocks[i] = blocks[i + 1];
    blocks[(i * 5 + 3) & 7] = kept;
  }
  u64 hash = 0;
  for (u32 i = 0; i < 8; ++i)
    for (u32 j = 0; j < 16; ++j) hash = hash * 1099511628211ull ^ blocks[i].word[j];
  rt_printf("blocks: hash %lx\n", hash);
}

static void __attribute__((noinline)) extended(void) {
  long double sum = 0, factor = 1;
  for (int i = 1; i < 40; ++i) {
    sum += factor / i;
    factor *= -0.75L;
  }
  struct {
    u64 significand;
    u16 exponent;
  } image = {0, 0};
  __builtin_memcpy(&image, &sum, 10);
  rt_printf("extended: %x %lx as double %lx as integer %lx\n", (u32)image.exponent, image.significand,
            bits((double)sum), (u64)(long long)(sum * -1000000));
}

/* Volatile values keep the arithmetic between the two looks at MXCSR. */
static void __attribute__((noinline)) limits(void) {
  volatile double zero = 0, tiny = 0x1p-1022, huge = 0x1p1023, quotient, third, beyond, none;
  const u32 before = mxcsr();
  quotient = 1 / zero;
  third = tiny / 3;
  beyond = huge * 16;
  none = zero / zero;
  const int unordered = !(none < quotient || none >= quotient);
  rt_printf("limits: %lx %lx %lx %lx unordered %d MXCSR %x %x\n", bits(quotient), bits(third), bits(beyond),
            bits(none), unordered, before, mxcsr());
}

/* CR0.MP and not EM; CR4.OSFXSR and OSXMMEXCPT; x87 and MXCSR in their initial state. */
static void enable_sse(void) {
  u64 cr0, cr4;
  __asm__ volatile("mov %%cr0, %0" : "=r"(cr0));
  __asm__ volatile("mov %0, %%cr0" : : "r"((cr0 & ~4ull) | 2));
  __asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
  __asm__ volatile("mov %0, %%cr4" : : "r"(cr4 | 0x600));
  __asm__ volatile("fninit");
}

/* Where CPUID has XSAVE: XCR0 takes x87 and SSE state, and XRSTOR brings back what XSAVE stored. */
static bool __attribute__((noinline)) state_survives(void) {
  static u8 area[576] __attribute__((aligned(64)));
  u64 cr4, low;
  __asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
  __asm__ volatile("mov %0, %%cr4" : : "r"(cr4 | 1 << 18));
  __asm__ volatile("xsetbv" : : "a"(3), "d"(0), "c"(0));
  __asm__ volatile(
      "movq %2, %%xmm7\n\t"
      "xsave64 %1\n\t"
      "pxor %%xmm7, %%xmm7\n\t"
      "xrstor64 %1\n\t"
      "movq %%xmm7, %0"
      : "=r"(low), "+m"(area)
      : "r"(0x0123456789abcdefull), "a"(3), "d"(0)
      : "xmm7");
  return low == 0x0123456789abcdefull && (rt_cpuid(1, 0).ecx >> 27 & 1);
}

int main(void) {
  const struct rt_cpuid features = rt_cpuid(1, 0);
  if (!(features.edx & 1) || !(features.edx >> 24 & 1) || !(features.edx >> 25 & 1) ||
      !(features.edx >> 26 & 1)) {
    rt_printf("no FPU, FXSR, SSE or SSE2\n");
    return RT_EXIT_SKIP;
  }
  enable_sse();
  if ((features.ecx >> 26 & 1) && !state_survives()) {
    rt_printf("XRSTOR did not restore what XSAVE stored\n");
    return RT_EXIT_FAIL;
  }
  matrices();
  singles();
  integers();
  blocks_moved();
  extended();
  limits();
  return RT_EXIT_PASS;
}
