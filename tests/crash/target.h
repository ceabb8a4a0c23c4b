// The moments that a crash is aimed at, and how to wait for one while the server is under load.
//
// Threads: one.
#pragma once

#include <chrono>
#include <random>

#include "tests/support/running_server.h"

namespace kv::crash {

enum class Target {
  kSnapshot,     // while one is written
  kPublication,  // right after one was given its name
  kRotation,     // right after one
  kWrite,        // in the middle of a large one
  kAnywhere,
};

// Waits for the moment and then a random part of the window around it. False when the moment did not come in time.
// A snapshot is asked for where the mode takes none for the size of its log.
bool take_aim(RunningServer& server, Target target, std::mt19937_64& random);

// The moment of a crash is random, within the window aimed at: this is no wait for anything.
void pause_up_to(std::chrono::milliseconds most, std::mt19937_64& random);

}  // namespace kv::crash
