// SPDX-License-Identifier: Apache-2.0
// The user's wish that work in progress ends: SIGINT (Ctrl-C) or SIGTERM. It is a flag of the process that
// long work looks at between steps; nothing is unwound by the signal itself. It decides only where a run
// ends, and is never taken back.
#pragma once

namespace pmusim {

// From now on the two signals set the flag. second_ends: a second signal, at least half a second later (a
// shell's or timeout(1)'s goes to the process and to its group), ends the process at once, as without
// handling; a worker leaves that to its parent.
void handle_interrupts(bool second_ends = true);

int interrupt_signal();              // the first signal that came; 0: none
void request_interrupt(int signal);  // as if the signal had come; async-signal-safe

}  // namespace pmusim
