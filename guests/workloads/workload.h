/* SPDX-License-Identifier: Apache-2.0
   What the speed benchmarks run: one kind of work per file, each linked with main.c to an image of its own.
   The work is fixed, so instructions per second follow from the time that a machine takes. */
#ifndef PMUSIM_GUEST_WORKLOAD_H
#define PMUSIM_GUEST_WORKLOAD_H

#include "rt.h"

/* RAM that no part of the image uses: 64 MiB from here on. */
#define WORKLOAD_MEMORY ((u8*)0x2000000)

u64 workload(void); /* does the work; a checksum of it, the same on every machine */

#endif
