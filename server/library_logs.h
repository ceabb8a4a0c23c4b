// What gRPC and protobuf have to say goes to our logger instead of standard error.
// Threads: once, before other threads.
#pragma once

namespace kv {

void redirect_library_logs();

}  // namespace kv
