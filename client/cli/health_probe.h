// The command line of grpc_health_probe, which health checks written for the original use.
//
// Threads: pure function.
#pragma once

#include <string>
#include <vector>

namespace kv {

// The same words with -addr, -service, -connect-timeout and -rpc-timeout turned into ours and `health` as the command,
// when the program is called grpc_health_probe or an -addr stands before any command; else unchanged.
std::vector<std::string> translate_health_probe(const std::string& program, std::vector<std::string> arguments);

}  // namespace kv
