#include "client/cli/connection.h"

#include "core/units.h"

namespace kv {
namespace {

// A key list may be large; the server bounds it by its own setting. Nobody waits for a question about limits first.
constexpr std::size_t kAnswerBytesMax = std::size_t{1} << 30;

const char* level_word(WriteLevel level) {
  switch (level) {
    case WriteLevel::kDefault:
      return nullptr;
    case WriteLevel::kMemory:
      return "memory";
    case WriteLevel::kOs:
      return "os";
    case WriteLevel::kDisk:
      return "disk";
  }
  return nullptr;
}

CallMetadata read_metadata() { return {{{"kvstore-want-trailers", "1"}}, {}}; }

std::optional<std::uint64_t> number_trailer(const CallMetadata& metadata, std::string_view name) {
  const auto text = metadata.trailer(name);
  if (!text) return std::nullopt;
  const auto number = parse_number(*text);
  return number.ok() ? std::optional(*number) : std::nullopt;
}

WriteReceipt receipt_of(const CallMetadata& metadata) {
  return {number_trailer(metadata, "kvstore-revision"), metadata.trailer("kvstore-durability").value_or("")};
}

}  // namespace

Connection::Connection(ConnectionOptions options)
    : options_(std::move(options)), client_({.target = options_.target, .answer_bytes_max = kAnswerBytesMax}) {}

CallOptions Connection::call_options(const std::stop_source& stop) const {
  return {.timeout = options_.timeout, .stop = stop.get_token()};
}

CallMetadata Connection::write_metadata() const {
  CallMetadata metadata = read_metadata();
  if (const char* word = level_word(options_.level)) metadata.sent.emplace_back("kvstore-durability", word);
  return metadata;
}

absl::StatusOr<WriteReceipt> Connection::set(std::string_view key, std::string_view value) {
  kvstore::SetRequest request;
  request.set_key(std::string(key));
  request.set_value(std::string(value));
  CallMetadata metadata = write_metadata();
  const auto done = ask(methods::kOldSet, std::move(request), &metadata);
  if (!done.ok()) return done.status();
  return receipt_of(metadata);
}

absl::StatusOr<std::optional<std::string>> Connection::get(std::string_view key) {
  kvstore::GetRequest request;
  request.set_key(std::string(key));
  CallMetadata metadata = read_metadata();
  auto response = ask(methods::kOldGet, std::move(request), &metadata);
  if (!response.ok()) return response.status();
  const bool missing = response->value().empty() && metadata.trailer("kvstore-found").value_or("0") != "1";
  if (missing) return std::optional<std::string>();
  return std::optional(std::move(*response->mutable_value()));
}

absl::StatusOr<Deletion> Connection::remove(std::string_view key) {
  kvstore::DelRequest request;
  request.set_key(std::string(key));
  CallMetadata metadata = write_metadata();
  const auto response = ask(methods::kOldDel, std::move(request), &metadata);
  if (!response.ok()) return response.status();
  return Deletion{response->success(), receipt_of(metadata)};
}

absl::StatusOr<KeyList> Connection::keys() {
  CallMetadata metadata = read_metadata();
  auto response = ask(methods::kOldKeys, {}, &metadata);
  if (!response.ok()) return response.status();
  KeyList list;
  list.keys.assign(std::make_move_iterator(response->mutable_keys()->begin()),
                   std::make_move_iterator(response->mutable_keys()->end()));
  list.omitted = number_trailer(metadata, "kvstore-omitted-keys").value_or(0);
  return list;
}

absl::StatusOr<ModeChange> Connection::config(const kvstore::ConfigRequest& request) {
  CallMetadata metadata = read_metadata();
  const auto response = ask(methods::kOldConfig, request, &metadata);
  if (!response.ok()) return response.status();
  if (!response->success()) return absl::UnknownError("the server did not take the configuration");
  return ModeChange{!metadata.trailer("kvstore-transition").has_value()};
}

absl::StatusOr<std::string> Connection::health(std::string_view service) {
  google::protobuf::StringValue request;
  request.set_value(std::string(service));
  const auto response = ask(methods::kHealthCheck, std::move(request));
  if (!response.ok()) return response.status();
  static constexpr const char* kWords[] = {"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"};
  const int status = response->value();
  return std::string(status >= 0 && status < 4 ? kWords[status] : "UNKNOWN");
}

}  // namespace kv
