// The one translation unit that carries Catch2 itself. tests/catch_entry.cc has the main of programs that bring none.
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>

namespace kv {
int run_catch(int argc, char** argv) { return Catch::Session().run(argc, argv); }
}  // namespace kv

// ThreadSanitizer's search for lock cycles aborts when one thread holds more than 64 locks, and the quiet point of a
// store holds one for each shard. TSAN_OPTIONS still has the last word; in other builds nobody calls this.
extern "C" const char* __tsan_default_options() { return "detect_deadlocks=0"; }
