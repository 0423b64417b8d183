// SPDX-License-Identifier: Apache-2.0
// The pmusim command.
#include <cstdlib>
#include <systemc>

#include "cli/command_line.h"

extern "C" int sc_main(int argc, char** argv) {
  return pmusim::cli::run_command_line(argc, argv);
}

// SystemC's library has a main() too, which prints a banner before sc_main() could forbid it.
int main(int argc, char** argv) {
  ::setenv("SYSTEMC_DISABLE_COPYRIGHT_MESSAGE", "1", 1);
  return sc_core::sc_elab_and_sim(argc, argv);
}
