// The decoder that works by hand against the library's parser: random messages, whole and damaged.
#include "server/operation_decoder.h"

#include <random>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "core/absl_text.h"
#include "core/error.h"
#include "kvstore/v1/operation.pb.h"
#include "server/request_key.h"
#include "server/unknown_fields.h"

using namespace kv;
namespace v1 = kvstore::v1;

namespace {

class RandomOperations {
 public:
  explicit RandomOperations(unsigned seed) : random_(seed) {}

  v1::Operation operation() {
    v1::Operation operation;
    switch (below(7)) {
      case 0:
        fill(*operation.mutable_get());
        break;
      case 1:
        fill(*operation.mutable_set());
        break;
      case 2:
        fill(*operation.mutable_delete_());
        break;
      case 3:
        fill(*operation.mutable_increment());
        break;
      case 4:
        fill(*operation.mutable_append());
        break;
      case 5:
        fill(*operation.mutable_set_expiry());
        break;
      default:
        break;
    }
    return operation;
  }
  // Two messages one after the other are one message, merged; and bytes get lost, doubled or changed.
  std::string damaged(std::string bytes) {
    if (below(3) == 0) bytes += operation().SerializeAsString();
    for (unsigned changes = below(4); changes > 0 && !bytes.empty(); --changes) {
      const std::size_t at = below(bytes.size());
      switch (below(4)) {
        case 0:
          bytes[at] = static_cast<char>(below(256));
          break;
        case 1:
          bytes.erase(at, 1 + below(3));
          break;
        case 2:
          bytes.insert(at, 1, static_cast<char>(below(256)));
          break;
        default:
          bytes.insert(at, strange_piece());
      }
    }
    return bytes;
  }
  unsigned below(std::size_t bound) { return static_cast<unsigned>(random_() % bound); }

 private:
  // Longer numbers than need be, groups, unknown fields, depth.
  std::string strange_piece() {
    switch (below(8)) {
      case 0:
        return std::string("\x8a\x00\x01k", 4);  // field 1 with a tag of two bytes
      case 1:
        return std::string("\x0b\x08\x01\x0c", 4);  // a group of number 1
      case 2:
        return "\x0b\x0b\x08\x01\x0c";  // one that does not end
      case 3:
        return std::string(below(120), '\x0b');
      case 4:
        return std::string(8, '\x80') + std::string("\x80\x01", 2);
      case 5:
        return std::string("\x98\x06\x05", 3);  // field 99
      case 6:
        return std::string("\xfa\xff\xff\xff\x7f\x00", 6);  // a tag that does not fit into 32 bits
      default:
        return std::string("\x05\x01\x02\x03\x04", 5);  // number 0
    }
  }
  std::string text() { return std::string(below(5) == 0 ? 200 : below(6), static_cast<char>(below(256))); }
  std::uint64_t number() { return below(2) == 0 ? below(300) : random_() | std::uint64_t{random_()} << 32; }
  bool flag() { return below(2) == 0; }

  void fill(v1::Precondition& precondition) {
    switch (below(5)) {
      case 0:
        return precondition.set_exists(flag());
      case 1:
        return precondition.set_version_equals(number());
      case 2:
        return precondition.set_value_equals(text());
      case 3:
        return precondition.set_type_equals(static_cast<v1::ValueType>(below(7)));
      default:
        return;
    }
  }
  void fill(v1::Expiry& expiry) {
    switch (below(5)) {
      case 0:
        expiry.mutable_ttl()->set_seconds(static_cast<std::int64_t>(number()));
        return expiry.mutable_ttl()->set_nanos(static_cast<std::int32_t>(number()));
      case 1:
        expiry.mutable_at()->set_seconds(static_cast<std::int64_t>(number()));
        return expiry.mutable_at()->set_nanos(static_cast<std::int32_t>(number()));
      case 2:
        return expiry.set_never(flag());
      case 3:
        return expiry.set_keep(flag());
      default:
        return;
    }
  }
  void fill(v1::WriteOptions& options) {
    if (flag()) options.set_durability(static_cast<v1::Durability>(static_cast<std::int32_t>(number())));
    if (flag()) options.set_request_id(text());
  }
  void fill(v1::GetRequest& request) {
    if (flag()) request.set_key(text());
    request.set_omit_value(flag());
    request.set_if_newer_than(number());
    request.set_min_revision(number());
  }
  void fill(v1::SetRequest& request) {
    if (flag()) request.set_key(text());
    if (flag()) request.set_value(text());
    if (flag()) fill(*request.mutable_precondition());
    if (flag()) fill(*request.mutable_expiry());
    request.set_return_previous(flag());
    if (flag()) fill(*request.mutable_options());
  }
  void fill(v1::DeleteRequest& request) {
    if (flag()) request.set_key(text());
    if (flag()) fill(*request.mutable_precondition());
    request.set_return_previous(flag());
    if (flag()) fill(*request.mutable_options());
  }
  void fill(v1::IncrementRequest& request) {
    if (flag()) request.set_key(text());
    request.set_delta(static_cast<std::int64_t>(number()));
    request.set_initial(static_cast<std::int64_t>(number()));
    if (flag()) request.set_min(static_cast<std::int64_t>(number()));
    if (flag()) request.set_max(static_cast<std::int64_t>(number()));
    request.set_saturate(flag());
    if (flag()) fill(*request.mutable_expiry());
    if (flag()) fill(*request.mutable_options());
  }
  void fill(v1::AppendRequest& request) {
    if (flag()) request.set_key(text());
    if (flag()) request.set_suffix(text());
    if (flag()) fill(*request.mutable_options());
  }
  void fill(v1::SetExpiryRequest& request) {
    if (flag()) request.set_key(text());
    if (flag()) fill(*request.mutable_expiry());
    if (flag()) fill(*request.mutable_precondition());
    if (flag()) fill(*request.mutable_options());
  }

  std::mt19937 random_;
};

// ---- What was decoded, as the message it should have come from.

void put_precondition(const DecodedOperation& decoded, v1::Precondition& message) {
  const Precondition& precondition = decoded.operation.precondition;
  switch (precondition.test) {
    case Precondition::Test::kExists:
      return message.set_exists(precondition.exists);
    case Precondition::Test::kVersion:
      return message.set_version_equals(precondition.version);
    case Precondition::Test::kValue:
      return message.set_value_equals(std::string(precondition.value));
    case Precondition::Test::kType:
      return message.set_type_equals(static_cast<v1::ValueType>(decoded.test.type));
    case Precondition::Test::kNone:
      return;
  }
}

void put_expiry(const DecodedOperation& decoded, v1::Expiry& message) {
  const DecodedOperation::Expiry& expiry = decoded.expiry;
  switch (expiry.policy) {
    case 1:
      message.mutable_ttl()->set_seconds(expiry.seconds);
      return message.mutable_ttl()->set_nanos(expiry.nanos);
    case 2:
      message.mutable_at()->set_seconds(expiry.seconds);
      return message.mutable_at()->set_nanos(expiry.nanos);
    case 3:
      return message.set_never(expiry.flag);
    case 4:
      return message.set_keep(expiry.flag);
    default:
      return;
  }
}

template <class Request>
void put_common(const DecodedOperation& decoded, Request& request) {
  request.set_key(std::string(decoded.operation.key));
  if constexpr (requires { request.mutable_precondition(); }) {
    if (decoded.test.there) put_precondition(decoded, *request.mutable_precondition());
  }
  if constexpr (requires { request.mutable_expiry(); }) {
    if (decoded.expiry.there) put_expiry(decoded, *request.mutable_expiry());
  }
  if constexpr (requires { request.set_return_previous(true); })
    request.set_return_previous(decoded.operation.return_previous);
  if constexpr (requires { request.mutable_options(); }) {
    if (!decoded.options.there) return;
    request.mutable_options()->set_durability(static_cast<v1::Durability>(decoded.options.durability));
    request.mutable_options()->set_request_id(std::string(decoded.options.request_id));
  }
}

v1::Operation to_message(const DecodedOperation& decoded) {
  const Operation& operation = decoded.operation;
  v1::Operation message;
  switch (operation.kind) {
    case OperationKind::kGet:
      put_common(decoded, *message.mutable_get());
      message.mutable_get()->set_omit_value(operation.omit_value);
      message.mutable_get()->set_if_newer_than(operation.if_newer_than);
      message.mutable_get()->set_min_revision(operation.min_revision);
      break;
    case OperationKind::kSet:
      put_common(decoded, *message.mutable_set());
      message.mutable_set()->set_value(std::string(operation.value));
      break;
    case OperationKind::kDelete:
      put_common(decoded, *message.mutable_delete_());
      break;
    case OperationKind::kIncrement:
      put_common(decoded, *message.mutable_increment());
      message.mutable_increment()->set_delta(operation.step.delta);
      message.mutable_increment()->set_initial(operation.step.initial);
      if (operation.step.min) message.mutable_increment()->set_min(*operation.step.min);
      if (operation.step.max) message.mutable_increment()->set_max(*operation.step.max);
      message.mutable_increment()->set_saturate(operation.step.saturate);
      break;
    case OperationKind::kAppend:
      put_common(decoded, *message.mutable_append());
      message.mutable_append()->set_suffix(std::string(operation.value));
      break;
    case OperationKind::kSetExpiry:
      put_common(decoded, *message.mutable_set_expiry());
      break;
    case OperationKind::kNone:
      break;
  }
  return message;
}

struct Tally {
  int parsed = 0;
  int refused = 0;
  int unknown = 0;
};

void compare(const std::string& bytes, Tally& tally) {
  v1::Operation message;
  const bool parses = message.ParseFromString(bytes);
  DecodedOperation decoded;
  WireReader reader(bytes);
  const bool decodes = decode_operation(reader, decoded);
  CAPTURE(bytes, parses, message.ShortDebugString());
  REQUIRE(decodes == parses);
  if (!parses) {
    ++tally.refused;
    return;
  }
  const bool unknown = !refuse_unknown_fields(message).ok();
  REQUIRE((decoded.unknown.number != 0 || decoded.expiry.unknown.number != 0) == unknown);
  if (unknown) {
    ++tally.unknown;
    const absl::Status refused = finish(decoded);
    REQUIRE(has_reason(refused, Reason::kFieldInvalid));
    return;
  }
  ++tally.parsed;
  const v1::Operation back = to_message(decoded);
  INFO(back.ShortDebugString());
  REQUIRE(back.SerializeAsString() == message.SerializeAsString());
}

}  // namespace

TEST_CASE("operation decoder: it reads every message as the library does, whole or damaged") {
  const unsigned seed = std::random_device{}();
  INFO("seed " << seed);
  RandomOperations random(seed);
  Tally whole;
  Tally damaged;
  for (int i = 0; i < 20'000; ++i) {
    const std::string bytes = random.operation().SerializeAsString();
    compare(bytes, whole);
    compare(random.damaged(bytes), damaged);
  }
  CHECK(whole.parsed == 20'000);
  CHECK(damaged.parsed > 1000);
  CHECK(damaged.refused > 1000);
  CHECK(damaged.unknown > 100);
}

TEST_CASE("operation decoder: an arm that comes again merges with itself, and replaces another with all it held") {
  Tally tally;
  v1::Operation set;
  set.mutable_set()->set_key("k");
  set.mutable_set()->mutable_expiry()->mutable_ttl()->set_seconds(5);
  v1::Operation more;
  more.mutable_set()->set_value("v");
  more.mutable_set()->mutable_expiry()->mutable_ttl()->set_nanos(7);
  v1::Operation get;
  get.mutable_get()->set_key("g");
  const std::string a = set.SerializeAsString(), b = more.SerializeAsString(), c = get.SerializeAsString();
  for (const std::string& bytes : {a + b, a + c, a + c + b, c + a + c, a + b + a}) compare(bytes, tally);
  CHECK(tally.parsed == 5);
}

TEST_CASE(
    "operation decoder: a precondition that replaces another leaves nothing of it, so a retry is the same request") {
  v1::SetRequest request;
  request.set_key("k");
  request.mutable_options()->set_request_id(std::string(16, 'r'));
  std::vector<v1::Precondition> tests(4);
  tests[0].set_exists(true);
  tests[1].set_version_equals(7);
  tests[2].set_value_equals("v");
  tests[3].set_type_equals(v1::VALUE_TYPE_HASH);
  const auto key_of = [](const std::string& bytes) {
    DecodedOperation decoded;
    REQUIRE(decode_request(OperationKind::kSet, bytes, decoded));
    REQUIRE(finish(decoded).ok());
    return *request_key(decoded.operation, HashedKey(decoded.operation.key), HashedValue(decoded.operation.value));
  };
  for (const v1::Precondition& first : tests) {
    for (const v1::Precondition& last : tests) {
      v1::SetRequest both = request, once = request;
      *both.mutable_precondition() = first;
      v1::SetRequest more;
      *more.mutable_precondition() = last;
      *once.mutable_precondition() = last;
      const std::string twice = both.SerializeAsString() + more.SerializeAsString();
      CHECK(key_of(twice).hash == key_of(once.SerializeAsString()).hash);
    }
  }
}

TEST_CASE("operation decoder: messages and groups may be nested as deeply as the library allows, and no deeper") {
  Tally tally;
  for (std::size_t depth = 95; depth < 105; ++depth) {
    std::string groups(depth, '\x0b');  // starts of a group of number 1, then their ends
    groups.append(depth, '\x0c');
    compare(groups, tally);
    compare(std::string("\x0a", 1) + static_cast<char>(groups.size() % 128 + 128) +
                static_cast<char>(groups.size() / 128) + groups,
            tally);
  }
  CHECK(tally.refused >= 8);
  CHECK(tally.unknown >= 8);
}

TEST_CASE(
    "operation decoder: numbers of every length have the library's value, and none may be longer than ten bytes") {
  Tally tally;
  for (std::size_t length = 0; length < 12; ++length) {
    for (const char last : {'\0', '\1', '\x7f'}) {
      std::string number(length, '\x81');
      number += last;
      compare("\x0a" + std::string(1, static_cast<char>(number.size() + 1)) + "\x18" + number, tally);  // if_newer_than
      compare(number + "\x01k", tally);                                                                 // as a tag
      compare("\x0a" + number + std::string(200, '\0'), tally);                                         // as a length
    }
  }
  CHECK(tally.refused > 0);
  CHECK(tally.parsed > 0);
}
