/* SPDX-License-Identifier: Apache-2.0
   The microbenchmarks as a guest: prints what native.c prints. Its memory lies at 128 MiB: run it with 512
   MiB. */
#include "kernels.h"
#include "rt.h"

int main(void) {
  rt_write_cr4(rt_read_cr4() | 1ul << 9); /* OSFXSR: the runtime leaves SSE off */
  char* memory = (char*)(128ul << 20);
  word unit = 0;
  for (unsigned i = 0; i < sizeof kernels / sizeof *kernels; ++i) {
    const struct kernel* k = &kernels[i];
    const word ticks = measure(k, memory);
    if (!unit) unit = ticks;
    const word operations = k->iterations * k->operations,
               units = kernels[0].iterations * kernels[0].operations;
    rt_printf("%s %s %lu\n", k->name, k->bound, ticks * units / operations * 1000 / unit);
  }
  return RT_EXIT_PASS;
}
