#include "server/slow_log.h"

#include <algorithm>
#include <array>
#include <new>
#include <string>
#include <string_view>

#include <grpcpp/support/slice.h>

#include "core/wire.h"
#include "server/admin_status.h"
#include "server/log.h"

namespace kv {
namespace {

namespace v1 = kvstore::v1;

// Those whose request begins with its key.
constexpr std::array<std::string_view, 9> kMethodsWithKey = {
    "kvstore.KeyValueStore/Set",
    "kvstore.KeyValueStore/Get",
    "kvstore.KeyValueStore/Del",
    "kvstore.v1.KeyValueService/Get",
    "kvstore.v1.KeyValueService/Set",
    "kvstore.v1.KeyValueService/Delete",
    "kvstore.v1.KeyValueService/Increment",
    "kvstore.v1.KeyValueService/Append",
    "kvstore.v1.KeyValueService/SetExpiry",
};

// The bytes at the beginning of a message, as many as a key with its length may need.
std::string beginning_of(const grpc::ByteBuffer& message) {
  constexpr std::size_t kBytes = 1 + kVarintBytesMax + SlowLog::kKeyBytesMax;
  std::vector<grpc::Slice> slices;
  if (!message.Dump(&slices).ok()) return {};
  std::string bytes;
  for (const grpc::Slice& slice : slices) {
    if (bytes.size() == kBytes) break;
    bytes.append(reinterpret_cast<const char*>(slice.begin()), std::min(slice.size(), kBytes - bytes.size()));
  }
  return bytes;
}

// Field 1 where it comes first, as everything that writes protobuf by its rules puts it.
void read_key(const grpc::ByteBuffer& request, v1::SlowRequest& record) {
  const std::string bytes = beginning_of(request);
  WireReader reader(bytes);
  if (!reader.next() || reader.tag() != wire_tag(1, WireType::kBytes)) return;
  const std::uint64_t size = reader.varint();
  const std::size_t begin = 1 + varint_bytes(size);
  if (reader.failed() || begin > bytes.size()) return;
  record.set_key(bytes.substr(begin, std::min<std::uint64_t>(size, SlowLog::kKeyBytesMax)));
  record.set_key_bytes(size);
}

google::protobuf::Duration to_duration(std::chrono::nanoseconds time) {
  google::protobuf::Duration message;
  message.set_seconds(time / std::chrono::seconds(1));
  message.set_nanos(static_cast<std::int32_t>((time % std::chrono::seconds(1)).count()));
  return message;
}

std::int64_t in_micros(std::chrono::nanoseconds time) {
  return std::chrono::duration_cast<std::chrono::microseconds>(time).count();
}

v1::SlowRequest record_of(const SlowCall& call, UnixMillis ended) {
  v1::SlowRequest record;
  *record.mutable_time() =
      to_time_message(ended - std::chrono::duration_cast<std::chrono::milliseconds>(call.took).count());
  record.set_method(std::string(call.method));
  record.set_peer(call.peer);
  record.set_code(call.code);
  *record.mutable_queued() = to_duration(call.queued);
  *record.mutable_persisting() = to_duration(call.persisting);
  *record.mutable_executing() = to_duration(call.took - call.queued - call.persisting);
  record.set_request_bytes(call.request.Length());
  record.set_response_bytes(call.response_bytes);
  if (std::find(kMethodsWithKey.begin(), kMethodsWithKey.end(), call.method) != kMethodsWithKey.end()) {
    read_key(call.request, record);
  }
  return record;
}

}  // namespace

void SlowLog::note(const SlowCall& call) noexcept {
  try {
    v1::SlowRequest record = record_of(call, clock_.now());
    log_debug("slow call: {} of {}, key {}, took {} us: {} queued, {} persisting", call.method, call.peer,
              record.key().empty() ? "none" : record.key(), in_micros(call.took), in_micros(call.queued),
              in_micros(call.persisting));
    const std::lock_guard lock(mutex_);
    ++total_;
    if (calls_.size() == kCallsMax) calls_.pop_back();
    calls_.push_front(std::move(record));
  } catch (const std::bad_alloc&) {
    const std::lock_guard lock(mutex_);
    ++total_;
  }
}

std::vector<v1::SlowRequest> SlowLog::newest(std::size_t limit) const {
  const std::lock_guard lock(mutex_);
  const std::size_t count = limit == 0 ? calls_.size() : std::min(limit, calls_.size());
  return {calls_.begin(), calls_.begin() + static_cast<std::ptrdiff_t>(count)};
}

std::uint64_t SlowLog::total() const {
  const std::lock_guard lock(mutex_);
  return total_;
}

}  // namespace kv
