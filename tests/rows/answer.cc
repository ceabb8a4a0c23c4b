#include "tests/rows/answer.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include <google/protobuf/descriptor.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/unknown_field_set.h>
#include <google/protobuf/util/message_differencer.h>

#include "core/error.h"
#include "kvstore/v1/key_value_service.pb.h"
#include "tests/rows/row.h"

namespace kv::rows {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::UnknownFieldSet;

constexpr std::uint64_t kAnyNumber = std::numeric_limits<std::uint64_t>::max();
constexpr std::string_view kAnyBytes = "$any";

// None when the bytes are no fields.
struct Fields : UnknownFieldSet {
  explicit Fields(const std::string& bytes) {
    if (!ParseFromString(bytes)) Clear();
  }
};

// Every field of this number, as bytes.
std::vector<std::string> all(const UnknownFieldSet& fields, int number) {
  std::vector<std::string> found;
  for (int i = 0; i < fields.field_count(); ++i) {
    if (fields.field(i).number() == number) found.push_back(fields.field(i).length_delimited());
  }
  return found;
}

std::string one(const UnknownFieldSet& fields, int number) {
  const auto found = all(fields, number);
  return found.empty() ? std::string() : found.front();
}

std::uint64_t number(const UnknownFieldSet& fields, int wanted) {
  for (int i = 0; i < fields.field_count(); ++i) {
    if (fields.field(i).number() == wanted) return fields.field(i).varint();
  }
  return 0;
}

// google.rpc.RetryInfo.retry_delay, a google.protobuf.Duration.
std::string millis_in(const std::string& retry_info) {
  const Fields delay(one(Fields(retry_info), 1));
  return std::to_string(number(delay, 1) * 1000 + number(delay, 2) / 1'000'000);
}

// When to come again is said twice, for clients that know only one of the two.
void compare_retry(const std::string& retry_info_millis, Answer& answer) {
  const std::string said = answer.facts.contains("retry_after_ms") ? answer.facts["retry_after_ms"] : "";
  if (said != retry_info_millis) answer.facts["retry_after_ms"] = said + ", as RetryInfo " + retry_info_millis;
}

// google.rpc.Status.details, Any.type_url and value, ErrorInfo.reason, domain and metadata.
void read_details(const std::string& details, Answer& answer) {
  std::string retry;
  for (const std::string& detail : all(Fields(details), 3)) {
    const Fields any(detail);
    if (one(any, 1) == "type.googleapis.com/google.rpc.RetryInfo") retry = millis_in(one(any, 2));
    if (one(any, 1) != "type.googleapis.com/google.rpc.ErrorInfo") continue;
    const Fields info(one(any, 2));
    if (one(info, 2) != "kvstore") continue;
    answer.reason = one(info, 1);
    for (const std::string& pair : all(info, 3)) {
      const Fields entry(pair);
      answer.facts[one(entry, 1)] = one(entry, 2);
    }
  }
  compare_retry(retry, answer);
}

void settle(Message& expected, Message& shown);

// Makes the two equal where the expectation leaves it open what is shown.
void settle_field(const FieldDescriptor* field, Message& expected, Message& shown) {
  const auto* wanted = expected.GetReflection();
  const auto* there = shown.GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_UINT64:
      if (wanted->GetUInt64(expected, field) == kAnyNumber && there->GetUInt64(shown, field) != 0) {
        wanted->SetUInt64(&expected, field, there->GetUInt64(shown, field));
      }
      break;
    case FieldDescriptor::CPPTYPE_STRING:
      if (wanted->GetString(expected, field) == kAnyBytes && !there->GetString(shown, field).empty()) {
        wanted->SetString(&expected, field, there->GetString(shown, field));
      }
      break;
    case FieldDescriptor::CPPTYPE_MESSAGE:
      if (field->name() == "expire_time" && wanted->GetMessage(expected, field).ByteSizeLong() == 0) {
        wanted->MutableMessage(&expected, field)->CopyFrom(there->GetMessage(shown, field));
      } else {
        settle(*wanted->MutableMessage(&expected, field), *there->MutableMessage(&shown, field));
      }
      break;
    default:
      break;
  }
}

void settle_repeated(const FieldDescriptor* field, Message& expected, Message& shown) {
  if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) return;
  const auto* wanted = expected.GetReflection();
  const auto* there = shown.GetReflection();
  const int size = std::min(wanted->FieldSize(expected, field), there->FieldSize(shown, field));
  for (int i = 0; i < size; ++i) {
    settle(*wanted->MutableRepeatedMessage(&expected, field, i), *there->MutableRepeatedMessage(&shown, field, i));
  }
}

void settle(Message& expected, Message& shown) {
  const auto* descriptor = expected.GetDescriptor();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const FieldDescriptor* field = descriptor->field(i);
    if (field->is_repeated()) {
      settle_repeated(field, expected, shown);
    } else if (expected.GetReflection()->HasField(expected, field)) {
      if (shown.GetReflection()->HasField(shown, field)) settle_field(field, expected, shown);
    } else if (field->name() == "size_bytes") {
      shown.GetReflection()->ClearField(&shown, field);
    }
  }
}

// The message of an operation that failed begins with the reason, as that of a call does; its other words are free.
void forget_words(Message& message) {
  auto* response = dynamic_cast<kvstore::v1::PipelineResponse*>(&message);
  if (response == nullptr) return;
  for (auto& result : *response->mutable_results()) {
    if (!result.has_error()) continue;
    auto& error = *result.mutable_error();
    if (error.message().starts_with(error.reason() + ": ")) error.clear_message();
  }
}

void hide_parts(Message& message) {
  auto* response = dynamic_cast<kvstore::v1::PipelineResponse*>(&message);
  if (response == nullptr) return;
  response->clear_id();
  response->clear_write();
}

std::string refusal_difference(const Refusal& expected, const Answer& answer) {
  if (answer.code != expected.code) return "another code";
  if (answer.reason != expected.reason) return "another reason";
  if (!expected.reason.empty() && !answer.message.starts_with(expected.reason + ": ")) {
    return "the message does not begin with the reason";
  }
  for (const std::string& fact : expected.facts) {
    const std::size_t equals = fact.find('=');
    const auto found = answer.facts.find(fact.substr(0, equals));
    if (found == answer.facts.end()) return "no fact " + fact;
    if (equals != fact.npos && found->second != fact.substr(equals + 1)) return "another fact than " + fact;
  }
  return {};
}

}  // namespace

Answer answer_of(const grpc::Status& status, std::unique_ptr<Message> response) {
  Answer answer;
  answer.code = absl::StatusCodeToString(static_cast<absl::StatusCode>(status.error_code()));
  answer.message = status.error_message();
  read_details(status.error_details(), answer);
  answer.response = std::move(response);
  return answer;
}

Answer answer_of(const absl::Status& status, std::unique_ptr<Message> response) {
  Answer answer;
  answer.code = absl::StatusCodeToString(status.code());
  answer.message = std::string(status.message());
  answer.reason = reason_of(status);
  answer.facts = facts_of(status);
  answer.response = std::move(response);
  return answer;
}

std::string difference(const std::string& expected, const Answer& answer) {
  if (const Refusal refusal = refusal_in(expected); !refusal.code.empty()) return refusal_difference(refusal, answer);
  if (answer.code != "OK") return "refused";
  if (expected == "OK") return {};
  const std::unique_ptr<Message> wanted(answer.response->New());
  const std::string inside = expected.substr(1, expected.rfind('}') - 1);
  if (!google::protobuf::TextFormat::ParseFromString(inside, wanted.get())) return "the row's answer does not parse";
  const std::unique_ptr<Message> shown(answer.response->New());
  shown->CopyFrom(*answer.response);
  forget_words(*shown);
  if (answer.partial) hide_parts(*wanted);
  settle(*wanted, *shown);
  std::string differences;
  google::protobuf::util::MessageDifferencer differencer;
  differencer.ReportDifferencesToString(&differences);
  return differencer.Compare(*wanted, *shown) ? std::string() : differences;
}

std::string text_of(const Answer& answer) {
  if (answer.code == "OK") return answer.response->ShortDebugString();
  std::string text = answer.code + " " + answer.reason + " '" + answer.message + "'";
  for (const auto& [name, value] : answer.facts) text.append(" " + name + "=" + value);
  return text;
}

}  // namespace kv::rows
