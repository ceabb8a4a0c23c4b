// How many descriptors the process may have: as many as it can get, some of them for files alone.
//
// Every connection is a descriptor, and there is no other bound on connections. Raising the soft limit to the hard one
// is what servers do: the low default is for programs that call select(). What clients cannot take are those kept back
// for files (core/spare_descriptors.h), so that the log goes on while nobody else can connect.
//
// Threads: once, before the first client can come. Errors: none; what could not be had is in the log.
#pragma once

namespace kv {

void raise_descriptor_limit();

}  // namespace kv
