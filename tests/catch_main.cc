// The one translation unit that carries the main of every test program.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>

// ThreadSanitizer's search for lock cycles aborts when one thread holds more than 64 locks, and the quiet point of a
// store holds one for each shard. TSAN_OPTIONS still has the last word; in other builds nobody calls this.
extern "C" const char* __tsan_default_options() { return "detect_deadlocks=0"; }
