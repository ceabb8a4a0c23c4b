// Ends this process (by SIGABRT) when it allocates or frees: for a forked process that must not.
//
// Not there under the sanitizers, which have an allocator of their own.
#pragma once

#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
#define KV_ALLOCATION_TRAP 1

namespace kv {

// From now on, for ever.
void forbid_allocation() noexcept;

}  // namespace kv
#endif
