/* SPDX-License-Identifier: Apache-2.0
   The microbenchmarks on the machine itself: the least of several runs over the least of as many add chains,
   taken in turn. Prints name, bound and cycles per operation times 1000. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "kernels.h"

int main(void) {
  enum { kCoreRuns = 200, kRuns = 15 };
  const word huge = 2ul << 20;
  char* memory = aligned_alloc(huge, KERNEL_MEMORY);
  if (!memory) return 1;
  madvise(memory, KERNEL_MEMORY, MADV_HUGEPAGE);
  for (word i = 0; i < KERNEL_MEMORY; i += 4096) memory[i] = 1;
  for (unsigned i = 0; i < sizeof kernels / sizeof *kernels; ++i) {
    const struct kernel* k = &kernels[i];
    const int runs = strcmp(k->bound, "core") ? kRuns : kCoreRuns;
    word ticks = ~0ul, unit = ~0ul;
    for (int run = 0; run < runs; ++run) {
      const word one = measure(k, memory), add = measure(&kernels[0], memory);
      if (one < ticks) ticks = one;
      if (add < unit) unit = add;
    }
    const double cycles = (double)ticks / (double)(k->iterations * k->operations) *
                          (double)(kernels[0].iterations * kernels[0].operations) / (double)unit;
    printf("%s %s %.0f\n", k->name, k->bound, cycles * 1000);
  }
  return 0;
}
