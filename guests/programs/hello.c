/* SPDX-License-Identifier: Apache-2.0
   The smallest guest: boots, says what its command line is and what PMU CPUID enumerates, ends. */
#include "rt.h"

int main(void) {
  static const char* const vendors[] = {"other", "Intel", "AMD"};
  rt_printf("hello from %s family %u model %u\n", vendors[rt_pmu.vendor], rt_pmu.family, rt_pmu.model);
  rt_printf("command line: %s\n", rt_command_line());
  if (!rt_pmu.version) {
    rt_printf("no PMU\n");
    return RT_EXIT_PASS;
  }
  rt_printf("PMU version %u: %u counters of %u bits, %u fixed of %u bits\n", rt_pmu.version, rt_pmu.gp_count,
            rt_pmu.gp_width, rt_pmu.fixed_count, rt_pmu.fixed_width);
  return RT_EXIT_PASS;
}
