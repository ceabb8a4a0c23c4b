#include "tests/programs/model.h"

#include <charconv>

#include <fmt/format.h>

namespace kv::programs {
namespace {

constexpr int kFailedPrecondition = 9;
constexpr int kOutOfRange = 11;

template <class Time>
std::int64_t millis_of(const Time& time) {
  return time.seconds() * 1000 + time.nanos() / 1'000'000;
}

bool is_past(const v1::Expiry& expiry, const Setting& setting) {
  return expiry.has_at() && millis_of(expiry.at()) <= setting.called.last;
}

void fill(v1::WriteResult& write, bool changed, std::uint64_t revision, const Setting& setting) {
  expect(!changed || revision != 0, "a change without a revision");
  write.set_durability(setting.level);
  if (changed) write.set_revision(revision);
}

v1::OperationResult refused(int code, const std::string& reason) {
  v1::OperationResult result;
  result.mutable_error()->set_code(code);
  result.mutable_error()->set_reason(reason);
  return result;
}

std::optional<std::int64_t> number_in(const std::string& text) {
  std::int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [at, failure] = std::from_chars(text.data(), end, number);
  if (failure != std::errc() || at != end || std::to_string(number) != text) return std::nullopt;
  return number;
}

}  // namespace

void expect(bool holds, const std::string& what) {
  if (!holds) throw Mismatch(what);
}

void expect_equal(const google::protobuf::Message& is, const google::protobuf::Message& should) {
  if (is.SerializeAsString() == should.SerializeAsString()) return;
  throw Mismatch(
      fmt::format("answered {{ {} }}, and should be {{ {} }}", is.ShortDebugString(), should.ShortDebugString()));
}

// ---- What is there

bool Model::holds(const std::string& key, const v1::Precondition& precondition) const {
  const auto found = data_.find(key);
  const bool there = found != data_.end();
  switch (precondition.test_case()) {
    case v1::Precondition::kExists:
      return there == precondition.exists();
    case v1::Precondition::kVersionEquals:
      return precondition.version_equals() == (there ? found->second.version : 0);
    case v1::Precondition::kValueEquals:
      return there && found->second.value == precondition.value_equals();
    case v1::Precondition::kTypeEquals:
      return there && precondition.type_equals() == v1::VALUE_TYPE_STRING;
    case v1::Precondition::TEST_NOT_SET:
      break;
  }
  return true;
}

v1::Entry Model::entry(const std::string& key, bool with_value, const v1::Entry* seen) {
  Held& held = data_.at(key);
  v1::Entry entry;
  if (with_value) entry.set_value(held.value);
  entry.set_type(v1::VALUE_TYPE_STRING);
  entry.set_version(held.version);
  entry.set_create_version(held.create_version);
  if (!held.expires) return entry;
  if (seen != nullptr && seen->has_expire_time()) {
    const std::int64_t at = millis_of(seen->expire_time());
    if (at >= held.expires->first && at <= held.expires->last) held.expires = Span{at, at};
  }
  entry.mutable_expire_time()->set_seconds(held.expires->first / 1000);
  entry.mutable_expire_time()->set_nanos(static_cast<std::int32_t>(held.expires->first % 1000 * 1'000'000));
  return entry;
}

std::uint64_t Model::count(const std::string& prefix) const {
  std::uint64_t count = 0;
  for (const auto& [key, held] : data_) count += key.starts_with(prefix) ? 1 : 0;
  return count;
}

void Model::remove(const std::string& prefix) {
  std::erase_if(data_, [&](const auto& pair) { return pair.first.starts_with(prefix); });
}

void Model::put(const std::string& key, const std::string& value, const v1::Expiry& expiry, bool keeps_expiry,
                std::uint64_t revision, const Setting& setting) {
  if (is_past(expiry, setting)) {
    data_.erase(key);
    return;
  }
  Held& held = data_[key];
  if (held.create_version == 0) held.create_version = revision;
  held.value = value;
  held.version = revision;
  switch (expiry.policy_case()) {
    case v1::Expiry::kTtl:
      held.expires =
          Span{setting.called.first + millis_of(expiry.ttl()), setting.called.last + millis_of(expiry.ttl())};
      break;
    case v1::Expiry::kAt:
      held.expires = Span{millis_of(expiry.at()), millis_of(expiry.at())};
      break;
    case v1::Expiry::kNever:
      held.expires.reset();
      break;
    case v1::Expiry::kKeep:
      break;
    case v1::Expiry::POLICY_NOT_SET:
      if (!keeps_expiry) held.expires.reset();
  }
}

// ---- One rule for each operation

v1::GetResponse Model::get(const v1::GetRequest& request, const v1::Entry* seen) {
  v1::GetResponse response;
  const auto found = data_.find(request.key());
  if (found == data_.end()) return response;
  response.set_not_modified(request.if_newer_than() != 0 && found->second.version <= request.if_newer_than());
  *response.mutable_entry() = entry(request.key(), !response.not_modified() && !request.omit_value(), seen);
  return response;
}

v1::OperationResult Model::set(const v1::SetRequest& request, std::uint64_t revision, const Setting& setting,
                               const v1::Entry* seen) {
  v1::OperationResult result;
  v1::SetResponse& response = *result.mutable_set();
  response.set_applied(holds(request.key(), request.precondition()));
  if ((!response.applied() || request.return_previous()) && data_.contains(request.key()))
    *response.mutable_previous() = entry(request.key(), true, seen);
  fill(*response.mutable_write(), response.applied(), revision, setting);
  if (response.applied()) put(request.key(), request.value(), request.expiry(), false, revision, setting);
  return result;
}

v1::OperationResult Model::remove(const v1::DeleteRequest& request, std::uint64_t revision, const Setting& setting,
                                  const v1::Entry* seen) {
  v1::OperationResult result;
  v1::DeleteResponse& response = *result.mutable_delete_();
  const bool there = data_.contains(request.key());
  const bool allowed = holds(request.key(), request.precondition());
  response.set_deleted(allowed && there);
  if ((!allowed || request.return_previous()) && there) *response.mutable_previous() = entry(request.key(), true, seen);
  fill(*response.mutable_write(), response.deleted(), revision, setting);
  if (response.deleted()) data_.erase(request.key());
  return result;
}

v1::OperationResult Model::increment(const v1::IncrementRequest& request, std::uint64_t revision,
                                     const Setting& setting) {
  const auto found = data_.find(request.key());
  const auto from = found == data_.end() ? std::optional(request.initial()) : number_in(found->second.value);
  if (!from) return refused(kFailedPrecondition, "NOT_AN_INTEGER");
  std::int64_t sum = 0;
  const bool overflows = __builtin_add_overflow(*from, request.delta(), &sum);
  const std::int64_t low = request.has_min() ? request.min() : INT64_MIN;
  const std::int64_t high = request.has_max() ? request.max() : INT64_MAX;
  const bool below = overflows ? request.delta() < 0 : sum < low;
  const bool above = overflows ? request.delta() > 0 : sum > high;
  if ((below || above) && !request.saturate()) return refused(kOutOfRange, "INCREMENT_OVERFLOW");
  if (below) sum = low;
  if (above) sum = high;
  v1::OperationResult result;
  v1::IncrementResponse& response = *result.mutable_increment();
  response.set_value(sum);
  response.set_created(found == data_.end());
  fill(*response.mutable_write(), true, revision, setting);
  put(request.key(), std::to_string(sum), request.expiry(), true, revision, setting);
  return result;
}

v1::OperationResult Model::append(const v1::AppendRequest& request, std::uint64_t revision, const Setting& setting) {
  const auto found = data_.find(request.key());
  const std::string value = (found == data_.end() ? std::string() : found->second.value) + request.suffix();
  v1::OperationResult result;
  result.mutable_append()->set_length(value.size());
  fill(*result.mutable_append()->mutable_write(), true, revision, setting);
  put(request.key(), value, v1::Expiry(), true, revision, setting);
  return result;
}

v1::OperationResult Model::set_expiry(const v1::SetExpiryRequest& request, std::uint64_t revision,
                                      const Setting& setting, const v1::Entry* seen) {
  v1::OperationResult result;
  v1::SetExpiryResponse& response = *result.mutable_set_expiry();
  const auto found = data_.find(request.key());
  response.set_applied(found != data_.end() && holds(request.key(), request.precondition()));
  fill(*response.mutable_write(), response.applied(), revision, setting);
  if (response.applied()) {
    const std::string value = found->second.value;
    put(request.key(), value, request.expiry(), true, revision, setting);
  }
  if (data_.contains(request.key())) *response.mutable_entry() = entry(request.key(), false, seen);
  return result;
}

v1::OperationResult Model::answer(const v1::Operation& operation, std::uint64_t revision, const Setting& setting,
                                  const v1::OperationResult* seen) {
  const v1::Entry* shown = seen == nullptr ? nullptr : entry_of(*seen);
  switch (operation.op_case()) {
    case v1::Operation::kGet: {
      v1::OperationResult result;
      *result.mutable_get() = get(operation.get(), shown);
      return result;
    }
    case v1::Operation::kSet:
      return set(operation.set(), revision, setting, shown);
    case v1::Operation::kDelete:
      return remove(operation.delete_(), revision, setting, shown);
    case v1::Operation::kIncrement:
      return increment(operation.increment(), revision, setting);
    case v1::Operation::kAppend:
      return append(operation.append(), revision, setting);
    case v1::Operation::kSetExpiry:
      return set_expiry(operation.set_expiry(), revision, setting, shown);
    case v1::Operation::OP_NOT_SET:
      break;
  }
  throw Mismatch("a program has an operation of no kind");
}

// ---- Answers

v1::Entry without_choices(v1::Entry entry) {
  entry.clear_size_bytes();
  return entry;
}

v1::GetResponse without_choices(v1::GetResponse response) {
  response.clear_revision();
  if (response.has_entry()) response.mutable_entry()->clear_size_bytes();
  return response;
}

v1::OperationResult without_choices(v1::OperationResult result) {
  if (result.has_get()) *result.mutable_get() = without_choices(result.get());
  if (result.set().has_previous()) result.mutable_set()->mutable_previous()->clear_size_bytes();
  if (result.delete_().has_previous()) result.mutable_delete_()->mutable_previous()->clear_size_bytes();
  if (result.set_expiry().has_entry()) result.mutable_set_expiry()->mutable_entry()->clear_size_bytes();
  if (result.has_error()) result.mutable_error()->clear_message();
  return result;
}

std::uint64_t revision_of(const v1::OperationResult& result) {
  // At most one arm is there, and the others are empty.
  return result.set().write().revision() + result.delete_().write().revision() + result.increment().write().revision() +
         result.append().write().revision() + result.set_expiry().write().revision();
}

const v1::Entry* entry_of(const v1::OperationResult& result) {
  if (result.get().has_entry()) return &result.get().entry();
  if (result.set().has_previous()) return &result.set().previous();
  if (result.delete_().has_previous()) return &result.delete_().previous();
  if (result.set_expiry().has_entry()) return &result.set_expiry().entry();
  return nullptr;
}

v1::OperationResult as_replayed(v1::OperationResult first) {
  if (first.has_set()) {
    first.mutable_set()->clear_previous();
    first.mutable_set()->mutable_write()->set_replayed(true);
  }
  if (first.has_delete_()) {
    first.mutable_delete_()->clear_previous();
    first.mutable_delete_()->mutable_write()->set_replayed(true);
  }
  if (first.has_increment()) first.mutable_increment()->mutable_write()->set_replayed(true);
  if (first.has_append()) first.mutable_append()->mutable_write()->set_replayed(true);
  if (first.has_set_expiry()) {
    first.mutable_set_expiry()->clear_entry();
    first.mutable_set_expiry()->mutable_write()->set_replayed(true);
  }
  return first;
}

v1::WriteResult as_replayed(v1::WriteResult first) {
  first.set_replayed(true);
  return first;
}

}  // namespace kv::programs
