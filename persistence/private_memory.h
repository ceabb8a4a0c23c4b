// How much memory this process shares with nobody.
//
// For a forked child at its end that is what copy-on-write has cost: pages that the server wrote to since the fork, so
// that it had to copy them, and the few that the child wrote to; also pages that the server has given back meanwhile,
// which only the child keeps alive. Counted page by page by the kernel (Private_Clean and Private_Dirty), in the same
// way whether huge pages were split or not.
//
// Threads: any. Neither locks nor allocates: the snapshot child calls the first.
// Source:  proc(5), /proc/pid/smaps_rollup (Linux 4.14).
#pragma once

#include <cstdint>
#include <string_view>

#include <sys/types.h>

namespace kv {

// False when the system does not say; `bytes` is as it was then.
bool private_memory(std::uint64_t& bytes) noexcept;

// Of a process that its caller knows to be there: a child that nobody has waited for yet.
bool private_memory_of(pid_t process, std::uint64_t& bytes) noexcept;

// The same, out of the text of such a file.
bool private_memory_in(std::string_view smaps, std::uint64_t& bytes) noexcept;

}  // namespace kv
