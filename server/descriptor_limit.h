// How many descriptors the process may have: as many as it can get, some of them for files alone; and how many
// connections that leaves room for.
//
// Every connection is a descriptor. Raising the soft limit to the hard one is what servers do: the low default is for
// programs that call select(). What clients cannot take are those kept back for files (core/spare_descriptors.h), so
// that the log goes on even when something else than connections has used up the rest.
//
// Threads: once, before the first client can come. Errors: none; what could not be had is in the log.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kv {

void raise_descriptor_limit();

// That the process has, or will have once its limit is raised.
std::uint64_t descriptor_limit() noexcept;
// At most `wanted`, and no more than so many descriptors allow when files, the log and the library have theirs.
std::size_t connections_that_fit(std::size_t wanted, std::uint64_t descriptors) noexcept;

}  // namespace kv
