// The signals the command line cares about, as flags, and a descriptor that turns readable when one arrives.
//
// Hard part: gRPC has threads of its own and any of them may run the handler, so a blocked read() of ours is not woken
// by the signal itself. Whoever waits for input polls the descriptor beside it.
//
// Threads: the handlers are process-wide; the functions may be called from any thread. Lifetime: once, in main().
#pragma once

namespace kv {

void catch_interruptions();     // SIGINT. For every kind of use.
void catch_terminal_signals();  // And SIGTERM, SIGHUP, SIGWINCH, SIGCONT: a terminal must be put right first.

bool was_interrupted();    // SIGINT since the last forget_interruption(), or was_told_to_end().
bool was_told_to_end();    // SIGTERM or SIGHUP; never forgotten.
bool take_resize();        // SIGWINCH since the last call.
bool take_continuation();  // SIGCONT since the last call.
void forget_interruption();

// Waits until `descriptor` is readable or a signal arrived; false: a signal.
bool wait_readable(int descriptor);

}  // namespace kv
