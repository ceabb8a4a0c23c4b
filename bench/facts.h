// What a result must say beside its figures, so that another can repeat it: this program and its machine, the server
// and its settings.
//
// Threads: free functions; server_facts() blocks for a call or two.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "bench/caller.h"

namespace kv {

nlohmann::ordered_json client_facts();

// From GetConfig and GetStatus; null when the server has no such methods or does not answer.
nlohmann::ordered_json server_facts(const CallerOptions& options);
// "kvstore 0.1.0, HYBRID, fsync ALWAYS"
std::string server_line(const nlohmann::ordered_json& facts);

std::string time_now();  // UTC, 2024-05-31T12:00:00Z

}  // namespace kv
