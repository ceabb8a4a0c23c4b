#include "tests/fuzz/request_law.h"

#include <algorithm>

#include <google/protobuf/message.h>

namespace kv::fuzz {
namespace {

namespace v1 = kvstore::v1;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr int kListMax = 1024;  // operations of a transaction, keys at one revision
constexpr std::size_t kRequestIdBytes = 16;
constexpr int kPlacesMax = 255;
constexpr std::int32_t kNanosInSecond = 1'000'000'000;

// No field that this version does not have, at any depth.
bool is_known(const Message& message) {
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  if (!reflection.GetUnknownFields(message).empty()) return false;
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
    if (!field->is_repeated()) {
      if (!is_known(reflection.GetMessage(message, field))) return false;
      continue;
    }
    for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
      if (!is_known(reflection.GetRepeatedMessage(message, field, i))) return false;
    }
  }
  return true;
}

bool is_key(const Limits& limits, std::string_view key) { return !key.empty() && key.size() <= limits.key_bytes_max; }
bool is_entry(const Limits& limits, std::string_view key, std::string_view value) {
  return is_key(limits, key) && key.size() + value.size() <= limits.entry_bytes_max;
}

// One server has no quorum.
bool is_sound(const v1::WriteOptions& options) {
  const bool level = options.durability() >= v1::DURABILITY_UNSPECIFIED && options.durability() <= v1::DURABILITY_DISK;
  return level && (options.request_id().empty() || options.request_id().size() == kRequestIdBytes);
}

bool is_sound(const v1::Precondition& precondition) {
  if (precondition.test_case() == v1::Precondition::TEST_NOT_SET) return false;
  if (precondition.test_case() != v1::Precondition::kTypeEquals) return true;
  return precondition.type_equals() != v1::VALUE_TYPE_UNSPECIFIED && v1::ValueType_IsValid(precondition.type_equals());
}

bool is_positive(const google::protobuf::Duration& ttl) {
  constexpr std::int64_t kYear = 31'556'952;
  const bool one_sign = ttl.nanos() > -kNanosInSecond && ttl.nanos() < kNanosInSecond &&
                        (ttl.seconds() == 0 || ttl.nanos() == 0 || (ttl.seconds() > 0) == (ttl.nanos() > 0));
  return one_sign && (ttl.seconds() > 0 || ttl.nanos() > 0) && ttl.seconds() >= 0 && ttl.seconds() <= 5000 * kYear;
}

bool is_of_our_calendar(const google::protobuf::Timestamp& time) {
  constexpr std::int64_t kYear1 = -62'135'596'800, kYear10000 = 253'402'300'800;
  return time.seconds() >= kYear1 && time.seconds() < kYear10000 && time.nanos() >= 0 && time.nanos() < kNanosInSecond;
}

bool is_sound(const v1::Expiry& expiry, bool is_all_that_is_asked) {
  switch (expiry.policy_case()) {
    case v1::Expiry::kTtl:
      return is_positive(expiry.ttl());
    case v1::Expiry::kAt:
      return is_of_our_calendar(expiry.at());
    case v1::Expiry::kNever:
      return expiry.never();
    case v1::Expiry::kKeep:
      return expiry.keep() && !is_all_that_is_asked;
    case v1::Expiry::POLICY_NOT_SET:
      return false;
  }
  return false;
}

template <class Request>
bool has_lawful_precondition(const Request& request) {
  return !request.has_precondition() || is_sound(request.precondition());
}

bool is_sound(const Limits& limits, const v1::Operation& operation) {
  switch (operation.op_case()) {
    case v1::Operation::kGet:
      return is_lawful(limits, operation.get());
    case v1::Operation::kSet:
      return is_lawful(limits, operation.set()) && !operation.set().has_options();
    case v1::Operation::kDelete:
      return is_lawful(limits, operation.delete_()) && !operation.delete_().has_options();
    case v1::Operation::kIncrement:
      return is_lawful(limits, operation.increment()) && !operation.increment().has_options();
    case v1::Operation::kAppend:
      return is_lawful(limits, operation.append()) && !operation.append().has_options();
    case v1::Operation::kSetExpiry:
      return is_lawful(limits, operation.set_expiry()) && !operation.set_expiry().has_options();
    case v1::Operation::OP_NOT_SET:
      return false;
  }
  return false;
}

bool is_sound(const v1::KeyRange& range) {
  if (!range.prefix().empty()) return range.start().empty() && range.end().empty();
  return range.end().empty() || range.start() <= range.end();
}

// There is no empty key, so the first that can be left out is that of one zero byte.
bool is_everything(const v1::KeyRange& range) {
  return range.prefix().empty() && range.end().empty() && std::string_view(range.start()) <= std::string_view("\0", 1);
}

}  // namespace

bool is_lawful(const Limits& limits, const v1::GetRequest& request) {
  return is_known(request) && is_key(limits, request.key());
}

bool is_lawful(const Limits& limits, const v1::SetRequest& request) {
  return is_known(request) && is_entry(limits, request.key(), request.value()) && has_lawful_precondition(request) &&
         (!request.has_expiry() || is_sound(request.expiry(), false)) && is_sound(request.options());
}

bool is_lawful(const Limits& limits, const v1::DeleteRequest& request) {
  return is_known(request) && is_key(limits, request.key()) && has_lawful_precondition(request) &&
         is_sound(request.options());
}

bool is_lawful(const Limits& limits, const v1::IncrementRequest& request) {
  const bool bounds = !request.has_min() || !request.has_max() || request.min() <= request.max();
  return is_known(request) && is_key(limits, request.key()) && bounds &&
         (!request.has_expiry() || is_sound(request.expiry(), false)) && is_sound(request.options());
}

bool is_lawful(const Limits& limits, const v1::AppendRequest& request) {
  return is_known(request) && is_entry(limits, request.key(), request.suffix()) && is_sound(request.options());
}

bool is_lawful(const Limits& limits, const v1::SetExpiryRequest& request) {
  return is_known(request) && is_key(limits, request.key()) && request.has_expiry() &&
         is_sound(request.expiry(), true) && has_lawful_precondition(request) && is_sound(request.options());
}

bool is_lawful(const Limits& limits, const v1::TransactRequest& request) {
  const auto comparison = [&](const v1::Comparison& one) {
    return is_key(limits, one.key()) && one.has_precondition() && is_sound(one.precondition());
  };
  const auto operation = [&](const v1::Operation& one) { return is_sound(limits, one); };
  return is_known(request) && request.comparisons_size() <= kListMax && request.then_size() <= kListMax &&
         request.otherwise_size() <= kListMax && std::ranges::all_of(request.comparisons(), comparison) &&
         std::ranges::all_of(request.then(), operation) && std::ranges::all_of(request.otherwise(), operation) &&
         is_sound(request.options());
}

bool is_lawful(const Limits& limits, const v1::MultiGetRequest& request) {
  return is_known(request) && request.keys_size() <= (request.consistent() ? kListMax : 65536) &&
         std::ranges::all_of(request.keys(), [&](const std::string& key) { return is_key(limits, key); });
}

bool is_lawful(const v1::DeleteRangeRequest& request) {
  return is_known(request) && is_sound(request.range()) && is_sound(request.options()) &&
         (!is_everything(request.range()) || request.confirm_all() || request.dry_run());
}

bool is_lawful(const v1::ScanRequest& request) {
  return is_known(request) && is_sound(request.range()) && v1::ScanConsistency_IsValid(request.consistency()) &&
         v1::ValueType_IsValid(request.type()) && !request.ordered() && PlainPattern::read(request.glob()).has_value();
}

bool selects(const v1::KeyRange& range, std::string_view key) {
  if (!range.prefix().empty()) return key.starts_with(range.prefix());
  return key >= range.start() && (range.end().empty() || key < range.end());
}

// ---- Patterns ---------------------------------------------------------------------------------------------------

std::optional<PlainPattern> PlainPattern::read(std::string_view glob) {
  PlainPattern pattern;
  int places = 0;
  while (!glob.empty()) {
    Place place;
    place.bytes.resize(256);
    if (glob.front() == '[') {
      if (!read_set(glob, place.bytes)) return std::nullopt;
    } else {
      place.any_run = glob.front() == '*';
      if (glob.front() == '?') place.bytes.flip();
      const bool escape = glob.front() == '\\';
      if (escape) glob.remove_prefix(1);
      if (glob.empty()) return std::nullopt;
      const bool literal = escape || (glob.front() != '?' && glob.front() != '*');
      if (literal) place.bytes[static_cast<unsigned char>(glob.front())] = true;
      glob.remove_prefix(1);
    }
    places += place.any_run ? 0 : 1;
    pattern.places_.push_back(std::move(place));
  }
  if (places > kPlacesMax) return std::nullopt;
  return pattern;
}

bool PlainPattern::read_set(std::string_view& rest, std::vector<bool>& bytes) {
  rest.remove_prefix(1);
  const bool inverted = rest.starts_with('!') || rest.starts_with('^');
  if (inverted) rest.remove_prefix(1);
  const auto take_member = [&]() -> std::optional<unsigned char> {
    if (rest.starts_with('\\')) rest.remove_prefix(1);
    if (rest.empty() || static_cast<unsigned char>(rest.front()) > 0x7f) return std::nullopt;
    const auto member = static_cast<unsigned char>(rest.front());
    rest.remove_prefix(1);
    return member;
  };
  if (rest.starts_with(']')) return false;
  while (!rest.starts_with(']')) {
    const auto low = take_member();
    if (!low) return false;
    auto high = low;
    if (rest.starts_with('-') && rest.size() > 1 && rest[1] != ']') {
      rest.remove_prefix(1);
      high = take_member();
    }
    if (!high || *high < *low) return false;
    std::fill(bytes.begin() + *low, bytes.begin() + *high + 1, true);
  }
  rest.remove_prefix(1);
  if (inverted) bytes.flip();
  return true;
}

bool PlainPattern::matches(std::string_view key) const {
  // reached[n]: the first n bytes of the key are matched by the places so far.
  std::vector<bool> reached(key.size() + 1);
  reached[0] = true;
  for (const Place& place : places_) {
    std::vector<bool> next(key.size() + 1);
    for (std::size_t n = 0; n <= key.size(); ++n) {
      if (place.any_run) {
        next[n] = reached[n] || (n > 0 && next[n - 1]);
      } else if (n > 0) {
        next[n] = reached[n - 1] && place.bytes[static_cast<unsigned char>(key[n - 1])];
      }
    }
    reached = std::move(next);
  }
  return reached[key.size()];
}

}  // namespace kv::fuzz
