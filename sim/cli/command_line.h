// SPDX-License-Identifier: Apache-2.0
// The pmusim command without its process.
#pragma once

namespace pmusim::cli {

// As main() is given them. Returns the exit status: 0 good, 1 a check failed, 2 wrong use, wrong input or
// output that cannot be written, 3 an internal error, 130 and 143 ended by SIGINT (Ctrl-C) and SIGTERM.
int run_command_line(int argc, char** argv);

}  // namespace pmusim::cli
