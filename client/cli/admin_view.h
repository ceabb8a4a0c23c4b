// What the admin service answers, as objects with names for people and scripts: the JSON output prints them as they
// are, the others line by line.
//
// Threads: free functions.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "client/cli/answer.h"
#include "kvstore/v1/admin_service.pb.h"

namespace kv {

Json view_of(const kvstore::v1::GetStatusResponse& status, const kvstore::v1::Config& config);
Json view_of(const kvstore::v1::SnapshotInfo& snapshot);
Json view_of(const kvstore::v1::UpdateConfigResponse& changed);

// Every value with its name; those of objects inside have the outer name and `separator` in front.
std::vector<std::pair<std::string, std::string>> lines_of(const Json& object, const std::string& separator);

}  // namespace kv
