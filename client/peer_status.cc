#include "client/peer_status.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include <google/protobuf/any.pb.h>
#include <google/protobuf/unknown_field_set.h>

#include "absl/status/status.h"
#include "core/absl_text.h"
#include "core/error.h"

namespace kv {
namespace {

using google::protobuf::UnknownField;
using google::protobuf::UnknownFieldSet;

// Field numbers of google.rpc.Status, ErrorInfo and RetryInfo, and of google.protobuf.Duration: few fields do not pay
// for generated files.
constexpr int kStatusDetails = 3;
constexpr int kErrorInfoReason = 1;
constexpr int kErrorInfoDomain = 2;
constexpr int kErrorInfoMetadata = 3;
constexpr int kEntryKey = 1;
constexpr int kEntryValue = 2;
constexpr int kRetryInfoDelay = 1;
constexpr int kDurationSeconds = 1;
constexpr int kDurationNanos = 2;
constexpr std::string_view kErrorInfoType = "/google.rpc.ErrorInfo";
constexpr std::string_view kRetryInfoType = "/google.rpc.RetryInfo";
constexpr std::string_view kRetryAfter = "retry_after_ms";
constexpr std::string_view kOutcome = "outcome";  // client/attempts.cc
constexpr std::uint64_t kRetryAfterMax = 3'600'000;

std::string text_field(const UnknownFieldSet& fields, int number) {
  for (int i = 0; i < fields.field_count(); ++i) {
    const UnknownField& field = fields.field(i);
    if (field.number() == number && field.type() == UnknownField::TYPE_LENGTH_DELIMITED) {
      return field.length_delimited();
    }
  }
  return {};
}

std::uint64_t number_field(const UnknownFieldSet& fields, int number) {
  for (int i = 0; i < fields.field_count(); ++i) {
    const UnknownField& field = fields.field(i);
    if (field.number() == number && field.type() == UnknownField::TYPE_VARINT) return field.varint();
  }
  return 0;
}

struct Details {
  std::optional<std::string> word;
  std::map<std::string, std::string> facts;
  std::optional<std::uint64_t> retry_after_ms;
};

std::optional<std::string> word_in(const UnknownFieldSet& error_info) {
  if (text_field(error_info, kErrorInfoDomain) != "kvstore") return std::nullopt;
  return text_field(error_info, kErrorInfoReason);
}

// One line each: what a peer sends must not pass for another fact.
std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

std::map<std::string, std::string> facts_in(const UnknownFieldSet& error_info) {
  std::map<std::string, std::string> facts;
  for (int i = 0; i < error_info.field_count(); ++i) {
    const UnknownField& field = error_info.field(i);
    if (field.number() != kErrorInfoMetadata || field.type() != UnknownField::TYPE_LENGTH_DELIMITED) continue;
    UnknownFieldSet entry;
    if (!entry.ParseFromString(field.length_delimited())) continue;
    const std::string name = text_field(entry, kEntryKey);
    if (name.empty() || name.find_first_of("=\n") != name.npos || name == kRetryAfter || name == kOutcome) continue;
    facts[name] = one_line(text_field(entry, kEntryValue));
  }
  return facts;
}

std::optional<std::uint64_t> delay_in(const UnknownFieldSet& retry_info) {
  UnknownFieldSet delay;
  if (!delay.ParseFromString(text_field(retry_info, kRetryInfoDelay))) return std::nullopt;
  // A negative number is a huge one here.
  const std::uint64_t seconds = std::min(number_field(delay, kDurationSeconds), kRetryAfterMax / 1000);
  const std::uint64_t nanos = std::min<std::uint64_t>(number_field(delay, kDurationNanos), 999'999'999);
  return std::min(seconds * 1000 + (nanos + 999'999) / 1'000'000, kRetryAfterMax);
}

Details details_in(const std::string& bytes) {
  Details details;
  UnknownFieldSet status;
  if (bytes.empty() || !status.ParseFromString(bytes)) return details;
  for (int i = 0; i < status.field_count(); ++i) {
    const UnknownField& field = status.field(i);
    if (field.number() != kStatusDetails || field.type() != UnknownField::TYPE_LENGTH_DELIMITED) continue;
    google::protobuf::Any any;
    UnknownFieldSet detail;
    if (!any.ParseFromString(field.length_delimited()) || !detail.ParseFromString(any.value())) continue;
    const std::string_view type = any.type_url();
    if (type.ends_with(kErrorInfoType) && !details.word) {
      details.word = word_in(detail);
      if (details.word) details.facts = facts_in(detail);
    }
    if (type.ends_with(kRetryInfoType) && !details.retry_after_ms) details.retry_after_ms = delay_in(detail);
  }
  return details;
}

bool is_word(std::string_view text) {
  const auto belongs = [](char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; };
  return text.size() >= 3 && text.front() >= 'A' && text.front() <= 'Z' &&
         std::all_of(text.begin(), text.end(), belongs);
}

std::string word_in_message(std::string_view message) {
  const std::size_t colon = message.find(": ");
  const std::string_view front = message.substr(0, colon);
  // gRPC's own texts begin with the name of a code where ours begin with a reason. No code of gRPC is a reason but
  // INTERNAL, and that one says no more than its code.
  const bool is_code = front == "UNKNOWN" || front == "UNAVAILABLE" || front == "CANCELLED" || front == "INTERNAL";
  return colon != message.npos && is_word(front) && !is_code ? std::string(front) : std::string();
}

}  // namespace

absl::Status status_of_peer(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  const auto code = static_cast<absl::StatusCode>(status.error_code());
  const auto [word, facts, retry_after_ms] = details_in(status.error_details());
  absl::Status peer =
      error_of_peer(code, word ? *word : word_in_message(status.error_message()), status.error_message());
  for (const auto& [name, value] : facts) peer = with_fact(std::move(peer), name, value);
  if (!retry_after_ms) return peer;
  return with_fact(std::move(peer), std::string(kRetryAfter), std::to_string(*retry_after_ms));
}

bool message_too_large(const absl::Status& error) {
  return error.code() == absl::StatusCode::kResourceExhausted && reason_of(error).empty() &&
         message_of(error).find("larger than max") != std::string_view::npos;
}

bool received_too_large(const absl::Status& error) {
  return message_too_large(error) && message_of(error).find("Received") != std::string_view::npos;
}

bool cut_off(const absl::Status& error) {
  return error.code() == absl::StatusCode::kResourceExhausted && reason_of(error).empty() && !message_too_large(error);
}

std::optional<std::chrono::milliseconds> retry_after(const absl::Status& error) {
  const auto facts = facts_of(error);
  const auto found = facts.find(std::string(kRetryAfter));
  if (found == facts.end()) return std::nullopt;
  return std::chrono::milliseconds(std::stoll(found->second));  // As status_of_peer() has written it.
}

std::string last_cause(std::string_view message) {
  const std::size_t colon = message.rfind(": ");
  std::string_view cause = colon == message.npos ? message : message.substr(colon + 2);
  while (!cause.empty() && (cause.back() == ' ' || cause.back() == '}' || cause.back() == ']')) cause.remove_suffix(1);
  return cause.empty() ? "no reason given" : std::string(cause);
}

std::string code_word(absl::StatusCode code) { return absl::StatusCodeToString(code); }

}  // namespace kv
