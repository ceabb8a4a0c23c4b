// Takes system calls away from a process that a test has forked: seccomp filters, which nothing removes again.
//
// Threads: refuse_system_calls() is for all threads of the process, allow_only_system_calls() for the calling one.
// Errors:  the process ends with 90 when the kernel takes no filter: a test must not go green without.
// Source:  seccomp(2).
#pragma once

#include <initializer_list>

namespace kv {

// Each of the named ones fails with `error_number`; all others work.
void refuse_system_calls(std::initializer_list<long> numbers, int error_number);
// Each of the others ends the process by SIGSYS.
void allow_only_system_calls(std::initializer_list<long> numbers);

}  // namespace kv
