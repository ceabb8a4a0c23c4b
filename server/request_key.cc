#include "server/request_key.h"

#include <array>

#include "core/bytes.h"
#include "core/error.h"
#include "server/transaction.h"

namespace kv {
namespace {

// Of writes that are no operations; operations have the numbers of their kinds.
constexpr std::uint64_t kTransaction = 100;
constexpr std::uint64_t kDeleteRange = 101;
constexpr std::uint64_t kSeed = 0x6b762d7265712d31;

// Numbers are part of the file formats: a refusal keeps the place that it has.
constexpr std::array kRefusals = {Reason::kNotAnInteger, Reason::kIncrementOverflow, Reason::kWrongType,
                                  Reason::kEntryTooLarge};

// A checksum of numbers. Those of an operation are few and are hashed in one go, without a stream's state.
class Hasher {
 public:
  explicit Hasher(std::uint64_t what) noexcept { number(what); }

  void number(std::uint64_t value) noexcept {
    if (used_ == numbers_.size()) flush();
    store(numbers_.data() + used_, value);
    used_ += sizeof value;
  }
  void signed_number(std::int64_t value) noexcept { number(static_cast<std::uint64_t>(value)); }
  void optional_number(const std::optional<std::int64_t>& value) noexcept {
    number(value ? 1 : 0);
    signed_number(value.value_or(0));
  }
  void text(std::string_view text) noexcept { number(content_hash(text)); }
  void precondition(const Precondition& precondition) noexcept {
    number(static_cast<std::uint64_t>(precondition.test));
    number(precondition.exists ? 1 : 0);
    number(static_cast<std::uint64_t>(precondition.type));
    number(precondition.version);
    text(precondition.value);
  }
  void operation(const Operation& operation, std::uint64_t key_hash, std::uint64_t value_hash) noexcept {
    number(static_cast<std::uint64_t>(operation.kind));
    number(key_hash);
    number(value_hash);
    precondition(operation.precondition);
    number(static_cast<std::uint64_t>(operation.expiry.kind));
    signed_number(operation.expiry.millis);
    signed_number(operation.step.delta);
    signed_number(operation.step.initial);
    optional_number(operation.step.min);
    optional_number(operation.step.max);
    number(operation.step.saturate ? 1 : 0);
  }
  void operations(const std::vector<Operation>& operations) noexcept {
    number(operations.size());
    for (const Operation& one : operations) operation(one, content_hash(one.key), content_hash(one.value));
  }
  std::uint64_t value() noexcept {
    if (!stream_) return checksum64(numbers(), kSeed);
    flush();
    return stream_->value();
  }

 private:
  Bytes numbers() const noexcept { return Bytes(numbers_).first(used_); }
  void flush() noexcept {
    if (!stream_) stream_.emplace(kSeed);
    stream_->update(numbers());
    used_ = 0;
  }

  std::array<std::byte, 32 * sizeof(std::uint64_t)> numbers_;
  std::size_t used_ = 0;
  std::optional<Checksum64Stream> stream_;  // when there were more
};

}  // namespace

std::optional<RequestKey> request_key(const Operation& operation, const HashedKey& key,
                                      const HashedValue& value) noexcept {
  if (!operation.options.request_id) return std::nullopt;
  Hasher hasher(static_cast<std::uint64_t>(operation.kind));
  hasher.operation(operation, key.order, value.hash);
  return RequestKey{*operation.options.request_id, hasher.value()};
}

std::optional<RequestKey> request_key(const TransactionRequest& request) noexcept {
  if (!request.options.request_id) return std::nullopt;
  Hasher hasher(kTransaction);
  hasher.number(request.comparisons.size());
  for (const Comparison& comparison : request.comparisons) {
    hasher.text(comparison.key);
    hasher.precondition(comparison.precondition);
  }
  hasher.operations(request.then);
  hasher.operations(request.otherwise);
  return RequestKey{*request.options.request_id, hasher.value()};
}

RequestKey request_key(const KeyRange& range, const RequestId& id) noexcept {
  Hasher hasher(kDeleteRange);
  hasher.text(range.start);
  hasher.text(range.end);
  return {id, hasher.value()};
}

RequestBlock block_of(const RequestKey& key, const Outcome& outcome) noexcept {
  RequestBlock block{.id = key.id, .request_hash = key.hash};
  if (!outcome.error.ok()) {
    block.added = refusal_number(outcome.error);
    return block;
  }
  block.applied = outcome.applied;
  block.created = outcome.created;
  block.added = outcome.length;
  block.value = outcome.counter;
  return block;
}

Outcome replay(const RememberedRequest& first, const RequestKey& key, OperationKind kind, Level level) {
  Outcome outcome;
  outcome.kind = kind;
  outcome.level = level;
  const RequestBlock& block = first.block;
  if (block.request_hash != key.hash) {
    outcome.error = reused();
    outcome.shown = first.revision;
    return outcome;
  }
  outcome.replayed = true;
  outcome.logged = first.revision;
  outcome.applied = block.applied;
  outcome.created = block.created;
  outcome.length = block.added;
  outcome.counter = block.value;
  if (block.applied) {
    outcome.revision = first.revision;
  } else if (block.added != 0) {
    outcome.error = refusal_of(block.added);
  }
  return outcome;
}

std::uint64_t refusal_number(const absl::Status& refused) noexcept {
  for (std::size_t i = 0; i < kRefusals.size(); ++i) {
    if (has_reason(refused, kRefusals[i])) return i + 1;
  }
  return 0;
}

absl::Status refusal_of(std::uint64_t number) {
  if (number == 0 || number > kRefusals.size())
    return error(Reason::kInternal, "this request was refused before, for a reason that this version does not know");
  return error(kRefusals[number - 1], "this request was refused for what it found, and so is its retry");
}

absl::Status reused() {
  return error(Reason::kRequestIdReused, "the request id was used for another request; an id names one request",
               {{"field", "options.request_id"}});
}

}  // namespace kv
