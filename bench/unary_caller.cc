#include "bench/unary_caller.h"

#include <google/protobuf/empty.pb.h>

namespace kv {
namespace {

// PutRequest{bytes key = 1; bytes value = 2} and RangeRequest{bytes key = 1} of etcd have the bytes of our old
// messages; of the answers only the size counts, and fields that a message does not know are read all the same.
constexpr UnaryMethod<kvstore::SetRequest, google::protobuf::Empty> kEtcdPut{"/etcdserverpb.KV/Put", Effect::kWrite};
constexpr UnaryMethod<kvstore::GetRequest, google::protobuf::Empty> kEtcdRange{"/etcdserverpb.KV/Range", Effect::kRead};
constexpr std::size_t kEtcdAnswerBytesMax = 64u << 20;

ClientOptions options_of(const CallerOptions& options) {
  ClientOptions client;
  client.target = options.target;
  client.connections = options.channels;
  client.threads = 1;
  if (options.api == Api::kEtcd) client.answer_bytes_max = kEtcdAnswerBytesMax;
  return client;
}

}  // namespace

UnaryCaller::UnaryCaller(const CallerOptions& options, const Filler& filler)
    : options_(options), filler_(filler), client_(options_of(options)) {
  call_.timeout = options.deadline;
  call_.retry.attempts = 1;  // A failure is a result here.
  call_.durability = options.durability;
}

void UnaryCaller::begin(std::unique_ptr<Shot> shot, ShotSink& sink) {
  if (options_.api == Api::kBatch) {
    carry_out_all(std::move(shot), sink);
  } else {
    carry_out(std::move(shot), sink);
  }
}

std::string UnaryCaller::key_of(const LoadOperation& operation) const {
  std::string key;
  write_key(operation.key, options_.key_bytes, key);
  return key;
}

void UnaryCaller::take_value(std::string_view value, const LoadOperation& operation, LoadAnswer& answer) const {
  answer.bytes += value.size();
  if (options_.verify) answer.value = read_verified(value, operation.key);
}

Detached UnaryCaller::carry_out(std::unique_ptr<Shot> shot, ShotSink& sink) {
  const LoadAnswer answer = co_await answer_to(shot->operations.front());
  shot->answers.assign(1, answer);
  sink.answered(std::move(shot));
}

Task<LoadAnswer> UnaryCaller::answer_to(LoadOperation operation) {
  switch (operation.kind) {
    case LoadKind::kRead:
      return read(operation);
    case LoadKind::kScan:
      return scan(operation);
    case LoadKind::kReadModifyWrite:
      return read_then_write(operation);
    case LoadKind::kIncrement:
      return increment(operation);
    case LoadKind::kUpdate:
    case LoadKind::kInsert:
      break;
  }
  return write(operation);
}

Task<LoadAnswer> UnaryCaller::read(LoadOperation operation) {
  LoadAnswer answer;
  if (options_.api == Api::kUnary) {
    auto got = co_await client_.get(key_of(operation), call_);
    answer.status = got.status();
    if (!got.ok()) co_return answer;
    answer.missing = !got->has_entry();
    answer.revision = got->entry().version();
    if (!answer.missing) take_value(got->entry().value(), operation, answer);
    co_return answer;
  }
  kvstore::GetRequest request;
  request.set_key(key_of(operation));
  if (options_.api == Api::kEtcd) {
    const auto got = co_await client_.call(kEtcdRange, std::move(request), call_);
    answer.status = got.status();
    if (got.ok()) answer.bytes = got->ByteSizeLong();
    co_return answer;
  }
  const auto got = co_await client_.call(methods::kOldGet, std::move(request), call_);
  answer.status = got.status();
  if (!got.ok()) co_return answer;
  answer.missing = got->value().empty();  // The old service says no more than that.
  answer.bytes = got->value().size();
  co_return answer;
}

Task<LoadAnswer> UnaryCaller::write(LoadOperation operation) {
  LoadAnswer answer;
  answer.bytes = operation.size;
  if (options_.api == Api::kUnary) {
    std::string value = options_.verify ? verified_value(operation.key, operation.sequence, operation.size)
                                        : std::string(filler_.value(operation.sequence, operation.size));
    kvstore::v1::SetRequest request;
    request.set_key(key_of(operation));
    request.set_value(std::move(value));
    const std::int64_t live = options_.time_to_live.count();
    if (live != 0) {
      google::protobuf::Duration& time = *request.mutable_expiry()->mutable_ttl();
      time.set_seconds(live / 1000);
      time.set_nanos(static_cast<std::int32_t>(live % 1000 * 1'000'000));
    }
    const auto set = co_await client_.call(methods::kSet, std::move(request), call_);
    answer.status = set.status();
    if (set.ok()) answer.revision = set->write().revision();
    co_return answer;
  }
  kvstore::SetRequest request;
  request.set_key(key_of(operation));
  const std::string_view value = filler_.value(operation.sequence, operation.size);
  request.set_value(value.data(), value.size());
  const auto& method = options_.api == Api::kEtcd ? kEtcdPut : methods::kOldSet;
  const auto set = co_await client_.call(method, std::move(request), call_);
  answer.status = set.status();
  co_return answer;
}

Task<LoadAnswer> UnaryCaller::read_then_write(LoadOperation operation) {
  LoadAnswer read_answer = co_await read(operation);
  if (!read_answer.status.ok()) co_return read_answer;
  LoadAnswer answer = co_await write(operation);
  answer.bytes += read_answer.bytes;
  answer.missing = read_answer.missing;
  answer.value = std::move(read_answer.value);
  co_return answer;
}

Task<LoadAnswer> UnaryCaller::increment(LoadOperation operation) {
  LoadAnswer answer;
  kvstore::v1::IncrementRequest request;
  request.set_key("n" + key_of(operation));  // Counters have names of their own: the values of the load are no numbers.
  request.set_delta(1);
  const auto done = co_await client_.call(methods::kIncrement, std::move(request), call_);
  answer.status = done.status();
  if (done.ok()) answer.revision = done->write().revision();
  co_return answer;
}

// The server's scans have no order by key: each goes on where the one before it ended.
Task<LoadAnswer> UnaryCaller::scan(LoadOperation operation) {
  LoadAnswer answer;
  kvstore::v1::ScanRequest request;
  request.set_include_values(true);
  request.set_limit(operation.size);
  request.set_consistency(kvstore::v1::SCAN_CONSISTENCY_RELAXED);
  {
    const std::scoped_lock lock(mutex_);
    request.set_resume_token(scan_token_);
  }
  auto stream = client_.stream(methods::kScan, std::move(request), call_);
  std::string token;
  for (;;) {
    auto chunk = co_await stream.next();
    answer.status = chunk.status();
    const bool more = chunk.ok() && chunk->has_value();
    if (!more) break;
    for (const auto& entry : (*chunk)->entries()) answer.bytes += entry.value().size();
    token = (*chunk)->resume_token();
  }
  const std::scoped_lock lock(mutex_);
  scan_token_ = answer.status.ok() ? std::move(token) : std::string();
  co_return answer;
}

Detached UnaryCaller::carry_out_all(std::unique_ptr<Shot> shot, ShotSink& sink) {
  const std::size_t count = shot->operations.size();
  kvstore::v1::MultiGetRequest request;
  for (const LoadOperation& operation : shot->operations) request.add_keys(key_of(operation));
  shot->answers.assign(count, LoadAnswer{});
  std::size_t there = 0;
  {
    auto stream = client_.stream(methods::kMultiGet, std::move(request), call_);
    for (;;) {
      auto chunk = co_await stream.next();
      const bool more = chunk.ok() && chunk->has_value();
      if (!chunk.ok()) shot->fail(chunk.status());
      if (!more) break;
      for (const auto& result : (*chunk)->results()) {
        if (there == count) break;
        LoadAnswer& answer = shot->answers[there];
        answer.missing = !result.has_entry();
        answer.revision = result.entry().version();
        if (!answer.missing) take_value(result.entry().value(), shot->operations[there], answer);
        ++there;
      }
    }
  }
  if (there != count && shot->answers.front().status.ok()) {
    shot->fail(absl::InternalError("the answer has another number of results than the call had keys"));
  }
  sink.answered(std::move(shot));
}

}  // namespace kv
