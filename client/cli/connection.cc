#include "client/cli/connection.h"

#include "core/error.h"
#include "core/units.h"

namespace kv {
namespace {

namespace v1 = kvstore::v1;

// Given, where the library would ask the server. `keys` takes what --legacy-keys-max-bytes lets the server send in one
// message, up to this, and the library's bound is of entries and chunks, four times less; and a command that is one
// call does not ask another question first. What it can cost is memory of a process that lives as long as its command.
constexpr std::size_t kAnswerBytesMax = std::size_t{1} << 30;

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

WriteReceipt receipt_of(const v1::WriteResult& write) {
  return {write.revision(), std::string(level_word(write.durability()))};
}

// Of one MultiGet: as many as it may have, in a message that stays far below the largest.
constexpr int kMultiGetKeysMax = 65536;
constexpr std::size_t kMultiGetBytes = 1 << 20;

}  // namespace

std::string_view level_word(v1::Durability level) {
  switch (level) {
    case v1::DURABILITY_MEMORY:
      return "memory";
    case v1::DURABILITY_OS:
      return "os";
    case v1::DURABILITY_DISK:
      return "disk";
    default:
      return "";
  }
}

Connection::Connection(ConnectionOptions options)
    : options_(std::move(options)), client_({.target = options_.target, .answer_bytes_max = kAnswerBytesMax}) {}

CallOptions Connection::call_options(const std::stop_source& stop) const {
  return {.timeout = options_.timeout, .durability = options_.level, .stop = stop.get_token()};
}

CallMetadata Connection::write_metadata() const {
  CallMetadata metadata = read_metadata();
  const std::string_view word = level_word(options_.level);
  if (!word.empty()) metadata.sent.emplace_back("kvstore-durability", word);
  return metadata;
}

absl::StatusOr<WriteReceipt> Connection::set(std::string_view key, std::string_view value) {
  const auto ask_new = [&]() -> absl::StatusOr<WriteReceipt> {
    v1::SetRequest request;
    request.set_key(std::string(key));
    request.set_value(std::string(value));
    const auto done = ask(methods::kSet, std::move(request));
    if (!done.ok()) return done.status();
    return receipt_of(done->write());
  };
  return ask_either(ask_new, [&] { return old_set(key, value); });
}

absl::StatusOr<std::optional<std::string>> Connection::get(std::string_view key) {
  const auto ask_new = [&]() -> absl::StatusOr<std::optional<std::string>> {
    v1::GetRequest request;
    request.set_key(std::string(key));
    auto response = ask(methods::kGet, std::move(request));
    if (!response.ok()) return response.status();
    if (!response->has_entry()) return std::optional<std::string>();
    return std::optional(std::move(*response->mutable_entry()->mutable_value()));
  };
  return ask_either(ask_new, [&] { return old_get(key); });
}

absl::StatusOr<Deletion> Connection::remove(std::string_view key) {
  const auto ask_new = [&]() -> absl::StatusOr<Deletion> {
    v1::DeleteRequest request;
    request.set_key(std::string(key));
    const auto response = ask(methods::kDelete, std::move(request));
    if (!response.ok()) return response.status();
    return Deletion{response->deleted(), receipt_of(response->write())};
  };
  return ask_either(ask_new, [&] { return old_remove(key); });
}

std::optional<std::vector<std::string>> Connection::find_keys(const std::string& prefix, std::size_t limit) {
  constexpr std::chrono::milliseconds kPatience{300};
  v1::ScanRequest request;
  if (!prefix.empty()) request.mutable_range()->set_prefix(prefix);
  request.set_consistency(v1::SCAN_CONSISTENCY_RELAXED);
  request.set_limit(limit);
  std::stop_source stop;
  CallOptions options{.timeout = kPatience, .retry = {.attempts = 1}, .stop = stop.get_token()};
  std::vector<std::string> keys;
  const auto end = std::chrono::steady_clock::now() + kPatience;
  const auto take = [&](const v1::ScanResponse& chunk) {
    for (const v1::Entry& entry : chunk.entries()) keys.push_back(entry.key());
    return std::chrono::steady_clock::now() < end;
  };
  const absl::Status done = read_stream(methods::kScan, std::move(request), std::move(options), stop, take);
  return done.ok() && std::chrono::steady_clock::now() < end ? std::optional(std::move(keys)) : std::nullopt;
}

std::unique_ptr<Pipeline> Connection::open_pipeline(std::stop_token stop) {
  PipelineOptions options;
  options.call = {.timeout = options_.timeout, .durability = options_.level, .stop = std::move(stop)};
  options.resend_for = options_.timeout;
  return std::make_unique<Pipeline>(client_, std::move(options));
}

absl::StatusOr<std::vector<v1::GetResponse>> Connection::multi_get(std::span<const std::string> keys) {
  std::vector<v1::GetResponse> entries;
  std::size_t asked = 0;
  while (asked < keys.size()) {
    v1::MultiGetRequest request;
    for (std::size_t bytes = 0; asked < keys.size() && bytes < kMultiGetBytes; bytes += keys[asked++].size()) {
      if (request.keys_size() == kMultiGetKeysMax) break;
      request.add_keys(keys[asked]);
    }
    const auto take = [&](const v1::MultiGetResponse& chunk) {
      entries.insert(entries.end(), chunk.results().begin(), chunk.results().end());
      return true;
    };
    const absl::Status done = read_stream(methods::kMultiGet, std::move(request), take);
    if (!done.ok()) return done;
    if (entries.size() != asked) return absl::InternalError("the server answered for another number of keys");
  }
  return entries;
}

absl::Status Connection::scan(v1::ScanRequest request, const std::function<bool(const v1::ScanResponse&)>& visit) {
  bool stopped = false;
  const absl::Status read = read_stream(methods::kScan, std::move(request), [&](const v1::ScanResponse& chunk) {
    const bool more = visit(chunk);
    // Chunks that come fast are never waited for, and the wait is where else this is asked.
    stopped = more && interrupted();
    return more && !stopped;
  });
  if (!stopped) return read;
  return error_of_peer(absl::StatusCode::kCancelled, kInterruptedWord, "interrupted");
}

// ---- The old service --------------------------------------------------------------------------------------------

absl::StatusOr<WriteReceipt> Connection::old_set(std::string_view key, std::string_view value) {
  kvstore::SetRequest request;
  request.set_key(std::string(key));
  request.set_value(std::string(value));
  CallMetadata metadata = write_metadata();
  const auto done = ask(methods::kOldSet, std::move(request), &metadata);
  if (!done.ok()) return done.status();
  return receipt_of(metadata);
}

absl::StatusOr<std::optional<std::string>> Connection::old_get(std::string_view key) {
  kvstore::GetRequest request;
  request.set_key(std::string(key));
  CallMetadata metadata = read_metadata();
  auto response = ask(methods::kOldGet, std::move(request), &metadata);
  if (!response.ok()) return response.status();
  const bool missing = response->value().empty() && metadata.trailer("kvstore-found").value_or("0") != "1";
  if (missing) return std::optional<std::string>();
  return std::optional(std::move(*response->mutable_value()));
}

absl::StatusOr<Deletion> Connection::old_remove(std::string_view key) {
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
