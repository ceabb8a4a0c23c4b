#include "server/call_options.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <tuple>

#include <fmt/format.h>

#include "core/checksum.h"
#include "core/error.h"

namespace kv {
namespace {

constexpr std::string_view kPrefix = "kvstore-";

std::string_view text(grpc::string_ref ref) { return {ref.data(), ref.size()}; }

absl::Status refuse(std::string_view name, std::string_view why) {
  return error(Reason::kFieldInvalid, fmt::format("metadata {} {}", name, why), {{"field", std::string(name)}});
}

absl::Status read_level(std::string_view name, std::string_view value, std::optional<Level>& level) {
  for (const Level candidate : {Level::kMemory, Level::kOs, Level::kDisk}) {
    if (value != word(candidate)) continue;
    level = candidate;
    return absl::OkStatus();
  }
  return refuse(name, "must be memory, os or disk");
}

absl::Status read_switch(std::string_view name, std::string_view value, bool& on) {
  if (value != "0" && value != "1") return refuse(name, "must be 0 or 1");
  on = value == "1";
  return absl::OkStatus();
}

absl::Status read_id(std::string_view name, std::string_view value, std::optional<RequestId>& id) {
  if (id) return refuse(name, "is there twice");
  if (value.size() != std::tuple_size_v<RequestId>) {
    return refuse(name, fmt::format("has {} bytes, and must have 16", value.size()));
  }
  std::ranges::copy(as_bytes(value), id.emplace().begin());
  return absl::OkStatus();
}

absl::Status read_one(std::string_view name, std::string_view value, CallOptions& options) {
  if (name == "kvstore-durability") return read_level(name, value, options.level);
  if (name == "kvstore-want-trailers") return read_switch(name, value, options.want_trailers);
  if (name == "kvstore-want-timing") return read_switch(name, value, options.want_timing);
  if (name == "kvstore-request-id-bin") return read_id(name, value, options.request_id);
  return refuse(name, "does not exist");
}

}  // namespace

absl::StatusOr<CallOptions> call_options_of(const std::multimap<grpc::string_ref, grpc::string_ref>& metadata) {
  CallOptions options;
  // The map is sorted by name, so ours lie together.
  for (auto entry = metadata.lower_bound(grpc::string_ref(kPrefix.data(), kPrefix.size()));
       entry != metadata.end() && text(entry->first).starts_with(kPrefix); ++entry) {
    const absl::Status read = read_one(text(entry->first), text(entry->second), options);
    if (!read.ok()) return read;
  }
  return options;
}

}  // namespace kv
