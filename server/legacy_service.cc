#include "server/legacy_service.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <new>

#include <fmt/format.h>

#include "core/error.h"
#include "core/utf8.h"
#include "server/calling_client.h"
#include "server/executor.h"
#include "server/legacy_config.h"
#include "server/settings_change_wait.h"

namespace kv {
namespace {

using std::chrono::microseconds;
using std::chrono::nanoseconds;

// The old client gives Config one second, the way there and back included.
constexpr std::chrono::milliseconds kConfigPatience{500}, kConfigPatienceForRecord{900};

Operation operation_of(OperationKind kind, std::string_view key, const CallOptions& options) {
  Operation operation;
  operation.kind = kind;
  operation.key = key;
  operation.options = {.level = options.level, .request_id = options.request_id};
  return operation;
}

// What the listing held goes: it is counted, its copy is what the answer counts.
WireMessage message_of(KeyListing& listing) {
  WireMessage message;
  const std::size_t size = listing.names.size();
  std::memcpy(message.reserve(size) - size, listing.names.data(), size);
  std::string().swap(listing.names);
  return message;
}

// What the library refuses for its string fields is the key's fault, and has a word of its own.
template <class Request>
absl::Status unparsable_key(const Request& request) {
  if (is_utf8(request.key())) return unparsable(request);
  return error(Reason::kKeyNotUtf8, "the key is not UTF-8", {{"field", "key"}});
}

void add_revision(Call& call, const CallOptions& options, Revision revision) {
  if (options.want_trailers) call.add_trailer("kvstore-revision", std::to_string(revision));
}

void add_timing(Call& call, const CallOptions& options, const StageTimes& times) {
  if (!options.want_timing) return;
  const auto micros = [](nanoseconds time) { return std::chrono::duration_cast<microseconds>(time).count(); };
  const nanoseconds whole = std::chrono::steady_clock::now() - call.accepted_at();
  call.add_trailer("kvstore-timing",
                   fmt::format("queue;dur={}, exec;dur={}, disk;dur={}", micros(times.admission),
                               micros(whole - times.admission - times.durability), micros(times.durability)));
}

void add_written(Call& call, const CallOptions& options, const Written& written) {
  add_revision(call, options, written.revision);
  if (options.want_trailers) call.add_trailer("kvstore-durability", std::string(word(written.level)));
  if (options.want_trailers && written.replayed) call.add_trailer("kvstore-replayed", "1");
  note_waits(call, written.times);
  add_timing(call, options, written.times);
}

}  // namespace

struct LegacyService::SetHandler {
  LegacyService* service;
  Answer<Empty> operator()(Call& call, kvstore::SetRequest& request) const { return service->set(call, request); }
  absl::Status unparsable(const kvstore::SetRequest& request) const { return unparsable_key(request); }
};
struct LegacyService::GetHandler {
  LegacyService* service;
  Answer<kvstore::GetResponse> operator()(Call& call, kvstore::GetRequest& request) const {
    try {
      return service->get(call, request);
    } catch (const std::bad_alloc&) {  // A read: the value was too much to copy.
      return absl::StatusOr<kvstore::GetResponse>(no_memory());
    }
  }
  absl::Status unparsable(const kvstore::GetRequest& request) const { return unparsable_key(request); }
};
struct LegacyService::DelHandler {
  LegacyService* service;
  Answer<kvstore::DelResponse> operator()(Call& call, kvstore::DelRequest& request) const {
    return service->del(call, request);
  }
  absl::Status unparsable(const kvstore::DelRequest& request) const { return unparsable_key(request); }
};
struct LegacyService::KeysHandler {
  LegacyService* service;
  Answer<WireMessage> operator()(Call& call, kvstore::KeysRequest&) const { return service->keys(call); }
};
struct LegacyService::ConfigHandler {
  LegacyService* service;
  Answer<kvstore::ConfigResponse> operator()(Call& call, kvstore::ConfigRequest& request) const {
    return service->config(call, request);
  }
};

void LegacyService::listen(Reactor& reactor) {
  const auto name = [](std::string_view method) { return fmt::format("{}/{}", Stubs::service_full_name(), method); };
  serve_unary<kvstore::SetRequest, Empty, Raw>(reactor, name("Set"), service_, &Raw::RequestSet, SetHandler{this});
  serve_unary<kvstore::GetRequest, kvstore::GetResponse, Raw>(reactor, name("Get"), service_, &Raw::RequestGet,
                                                              GetHandler{this});
  serve_unary<kvstore::DelRequest, kvstore::DelResponse, Raw>(reactor, name("Del"), service_, &Raw::RequestDel,
                                                              DelHandler{this});
  serve_unary<kvstore::KeysRequest, WireMessage, Raw>(reactor, name("Keys"), service_, &Raw::RequestKeys,
                                                      KeysHandler{this});
  serve_unary<kvstore::ConfigRequest, kvstore::ConfigResponse, Raw>(reactor, name("Config"), service_,
                                                                    &Raw::RequestConfig, ConfigHandler{this});
}

absl::StatusOr<CallOptions> LegacyService::admit(Call& call, bool writes) const {
  if (const absl::Status ready = engine_.ready(); !ready.ok()) return ready;
  absl::StatusOr<CallOptions> options = call_options_of(call.metadata());
  if (options.ok() && options->request_id && !writes) {
    return error(Reason::kFieldInvalid, "metadata kvstore-request-id-bin is for Set and Del; this call changes no key",
                 {{"field", "kvstore-request-id-bin"}});
  }
  return options;
}

Answer<LegacyService::Empty> LegacyService::set(Call& call, kvstore::SetRequest& request) {
  const absl::StatusOr<CallOptions> options = admit(call, true);
  if (!options.ok()) return absl::StatusOr<Empty>(options.status());
  const absl::Status checked = engine_.check_entry(request.key(), request.value());
  if (!checked.ok()) return absl::StatusOr<Empty>(checked);
  return set_and_wait(call, request, *options);
}

Task<absl::StatusOr<LegacyService::Empty>> LegacyService::set_and_wait(Call& call, const kvstore::SetRequest& request,
                                                                       CallOptions options) {
  CallingClient client(call);
  Operation operation = operation_of(OperationKind::kSet, request.key(), options);
  operation.value = request.value();
  const absl::StatusOr<Written> written = co_await engine_.write(operation, client);
  if (!written.ok()) co_return written.status();
  add_written(call, options, *written);
  co_return Empty();
}

Answer<kvstore::GetResponse> LegacyService::get(Call& call, kvstore::GetRequest& request) {
  using Result = absl::StatusOr<kvstore::GetResponse>;
  const absl::StatusOr<CallOptions> options = admit(call, false);
  if (!options.ok()) return Result(options.status());
  if (const absl::Status checked = engine_.check_key(request.key()); !checked.ok()) return Result(checked);
  kvstore::GetResponse response;
  bool found = false;
  bool wrong_type = false;
  // The entry's own revision says when the key changed; that the whole store was read later is known only from before.
  const Revision visible_before = options->want_trailers ? engine_.visible() : 0;
  const Revision changed_at = engine_.read(HashedKey(request.key()), [&](const Entry* entry) {
    found = entry != nullptr;
    wrong_type = found && entry->type() != ValueType::kString;
    if (found && !wrong_type) response.set_value(entry->value().data(), entry->value().size());
  });
  const Revision shown = std::max(changed_at, visible_before);
  if (wrong_type) return Result(error(Reason::kWrongType, "the key holds a structure, not a plain value"));
  if (engine_.must_wait(shown)) return answer_when_readable(call, std::move(response), shown, found, *options);
  if (options->want_trailers) call.add_trailer("kvstore-found", found ? "1" : "0");
  add_revision(call, *options, shown);
  add_timing(call, *options, {});
  return Result(std::move(response));
}

Task<absl::StatusOr<kvstore::GetResponse>> LegacyService::answer_when_readable(Call& call,
                                                                               kvstore::GetResponse response,
                                                                               Revision shown, bool found,
                                                                               CallOptions options) {
  call.holds_answer(response.value().size());
  LevelWait wait = engine_.until_readable(shown, call.home());
  const absl::Status readable = co_await wait;
  if (!readable.ok()) co_return readable;
  if (options.want_trailers) call.add_trailer("kvstore-found", found ? "1" : "0");
  add_revision(call, options, shown);
  const StageTimes times{.durability = wait.waited()};
  note_waits(call, times);
  add_timing(call, options, times);
  co_return response;
}

Answer<kvstore::DelResponse> LegacyService::del(Call& call, kvstore::DelRequest& request) {
  using Result = absl::StatusOr<kvstore::DelResponse>;
  const absl::StatusOr<CallOptions> options = admit(call, true);
  if (!options.ok()) return Result(options.status());
  if (const absl::Status checked = engine_.check_key(request.key()); !checked.ok()) return Result(checked);
  return del_and_wait(call, request, *options);
}

Task<absl::StatusOr<kvstore::DelResponse>> LegacyService::del_and_wait(Call& call, const kvstore::DelRequest& request,
                                                                       CallOptions options) {
  CallingClient client(call);
  const Operation operation = operation_of(OperationKind::kDelete, request.key(), options);
  const absl::StatusOr<Written> written = co_await engine_.write(operation, client);
  if (!written.ok()) co_return written.status();
  add_written(call, options, *written);
  kvstore::DelResponse response;
  response.set_success(written->applied);
  co_return response;
}

Answer<WireMessage> LegacyService::keys(Call& call) {
  const absl::StatusOr<CallOptions> options = admit(call, false);
  if (!options.ok()) return absl::StatusOr<WireMessage>(options.status());
  return list_keys(call, *options);
}

Task<absl::StatusOr<WireMessage>> LegacyService::list_keys(Call& call, CallOptions options) {
  CallingClient client(call);
  absl::StatusOr<KeyListing> listing = co_await engine_.keys(engine_.limits().legacy_keys_bytes_max, client);
  if (!listing.ok()) co_return listing.status();
  if (listing->omitted != 0) call.add_trailer("kvstore-omitted-keys", std::to_string(listing->omitted));
  add_revision(call, options, listing->revision);
  add_timing(call, options, {});
  co_return message_of(*listing);
}

Answer<kvstore::ConfigResponse> LegacyService::config(Call& call, const kvstore::ConfigRequest& request) {
  using Result = absl::StatusOr<kvstore::ConfigResponse>;
  const absl::StatusOr<CallOptions> options = admit(call, false);
  if (!options.ok()) return Result(options.status());
  if (!config_allowed_)
    return Result(error(Reason::kLegacyConfigOff, "this server does not allow the old Config call"));
  const absl::StatusOr<SettingsChange> change = settings_change_of(request, storage_->status().settings);
  if (!change.ok()) return Result(change.status());
  if (const absl::Status wanted = call.still_wanted(); !wanted.ok()) return Result(wanted);
  return change_settings(call, *change, *options);
}

Task<absl::StatusOr<kvstore::ConfigResponse>> LegacyService::change_settings(Call& call, SettingsChange change,
                                                                             CallOptions options) {
  const std::optional<absl::Status> done =
      co_await SettingsChangeWait(*storage_, events_, change, kConfigPatience, kConfigPatienceForRecord, call.home());
  // What a later change, which is on record, does to one that was still waiting for its turn.
  const bool under_way = !done || has_reason(*done, Reason::kTransitionInProgress);
  if (!under_way && !done->ok()) co_return *done;
  if (under_way) call.add_trailer("kvstore-transition", "dual");
  add_revision(call, options, engine_.applied());
  kvstore::ConfigResponse response;
  response.set_success(true);
  co_return response;
}

}  // namespace kv
