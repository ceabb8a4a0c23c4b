// A handler that ended with an exception is a bug, and one call's: the caller is told INTERNAL with a number that the
// log has too, and the server goes on.
//
// Hard part: what the call had done by then nobody knows, so the error says that it is not known. A handler that can
// run out of memory before it changes anything says so itself, in its own words.
//
// Threads: set_incident_log() before the first server starts; incident() from any thread, in a catch clause only.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace kv {

// Where a line about each incident goes; empty, or never set: to standard error. For the whole process.
void set_incident_log(std::function<void(const std::string&)> log);

// What becomes of the exception that is being handled. INTERNAL with the fact `incident`, 16 hexadecimal digits.
[[gnu::cold]] absl::Status incident(std::string_view method) noexcept;

// MEMORY_LIMIT: the request did not fit into memory, so nothing of it was begun.
[[gnu::cold]] absl::Status request_too_large_now() noexcept;

}  // namespace kv
