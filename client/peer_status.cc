#include "client/peer_status.h"

#include <algorithm>
#include <optional>

#include <google/protobuf/any.pb.h>
#include <google/protobuf/unknown_field_set.h>

#include "absl/status/status.h"
#include "core/error.h"

namespace kv {
namespace {

using google::protobuf::UnknownField;
using google::protobuf::UnknownFieldSet;

// Field numbers of google.rpc.Status and google.rpc.ErrorInfo: three fields do not pay for two generated files.
constexpr int kStatusDetails = 3;
constexpr int kErrorInfoReason = 1;
constexpr int kErrorInfoDomain = 2;
constexpr std::string_view kErrorInfoType = "/google.rpc.ErrorInfo";

std::string text_field(const UnknownFieldSet& fields, int number) {
  for (int i = 0; i < fields.field_count(); ++i) {
    const UnknownField& field = fields.field(i);
    if (field.number() == number && field.type() == UnknownField::TYPE_LENGTH_DELIMITED) {
      return field.length_delimited();
    }
  }
  return {};
}

std::optional<std::string> word_in_error_info(const std::string& bytes) {
  google::protobuf::Any any;
  UnknownFieldSet info;
  if (!any.ParseFromString(bytes) || !std::string_view(any.type_url()).ends_with(kErrorInfoType)) return std::nullopt;
  if (!info.ParseFromString(any.value()) || text_field(info, kErrorInfoDomain) != "kvstore") return std::nullopt;
  return text_field(info, kErrorInfoReason);
}

std::optional<std::string> word_in_details(const std::string& details) {
  UnknownFieldSet status;
  if (details.empty() || !status.ParseFromString(details)) return std::nullopt;
  for (int i = 0; i < status.field_count(); ++i) {
    const UnknownField& field = status.field(i);
    if (field.number() != kStatusDetails || field.type() != UnknownField::TYPE_LENGTH_DELIMITED) continue;
    if (auto word = word_in_error_info(field.length_delimited())) return word;
  }
  return std::nullopt;
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
  const auto word = word_in_details(status.error_details());
  return error_of_peer(code, word ? *word : word_in_message(status.error_message()), status.error_message());
}

std::string last_cause(std::string_view message) {
  const std::size_t colon = message.rfind(": ");
  std::string_view cause = colon == message.npos ? message : message.substr(colon + 2);
  while (!cause.empty() && (cause.back() == ' ' || cause.back() == '}' || cause.back() == ']')) cause.remove_suffix(1);
  return cause.empty() ? "no reason given" : std::string(cause);
}

std::string code_word(absl::StatusCode code) { return absl::StatusCodeToString(code); }

}  // namespace kv
