#include "rpc/status.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <map>
#include <optional>

#include "core/absl_text.h"
#include "core/error.h"

namespace kv {
namespace {

constexpr std::string_view kErrorInfoUrl = "type.googleapis.com/google.rpc.ErrorInfo";
constexpr std::string_view kRetryInfoUrl = "type.googleapis.com/google.rpc.RetryInfo";
// Of a RetryInfo as a detail: its URL, two numbers of at most ten bytes, and framing.
constexpr std::size_t kRetryInfoBytesMax = kRetryInfoUrl.size() + 40;

// Field numbers of google.rpc.Status, google.protobuf.Any, google.rpc.ErrorInfo and its map entries,
// google.rpc.RetryInfo and google.protobuf.Duration.
enum Field : unsigned {
  kStatusCode = 1,
  kStatusMessage = 2,
  kStatusDetails = 3,
  kAnyUrl = 1,
  kAnyValue = 2,
  kInfoReason = 1,
  kInfoDomain = 2,
  kInfoMetadata = 3,
  kEntryKey = 1,
  kEntryValue = 2,
  kRetryDelay = 1,
  kDurationSeconds = 1,
  kDurationNanos = 2,
};

void put_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

void put_number(std::string& out, Field field, std::uint64_t value) {
  constexpr unsigned kVarint = 0;
  put_varint(out, field << 3 | kVarint);
  put_varint(out, value);
}

void put_bytes(std::string& out, Field field, std::string_view bytes) {
  constexpr unsigned kLengthDelimited = 2;
  put_varint(out, field << 3 | kLengthDelimited);
  put_varint(out, bytes.size());
  out.append(bytes);
}

// Length of the UTF-8 character at the start of `text`, 0 when there is none.
std::size_t character_bytes(std::string_view text) noexcept {
  const auto first = static_cast<unsigned char>(text.front());
  const std::size_t bytes = first < 0x80                    ? 1
                            : first >= 0xC2 && first < 0xE0 ? 2
                            : first >= 0xE0 && first < 0xF0 ? 3
                            : first >= 0xF0 && first < 0xF5 ? 4
                                                            : 0;
  if (bytes == 0 || bytes > text.size()) return 0;
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) return 0;
  }
  return bytes;
}

// Whole UTF-8 characters, at most `bytes_max` bytes of them. A foreign runtime refuses the whole answer for one bad
// byte in a text field, so bad ones become question marks.
std::string plain_text(std::string_view text, std::size_t bytes_max) {
  std::string out;
  while (!text.empty()) {
    const std::size_t bytes = character_bytes(text);
    if (out.size() + std::max<std::size_t>(bytes, 1) > bytes_max) break;
    if (bytes == 0) {
      out.push_back('?');
    } else {
      out.append(text.substr(0, bytes));
    }
    text.remove_prefix(std::max<std::size_t>(bytes, 1));
  }
  return out;
}

std::string error_info(const absl::Status& status, std::size_t bytes_max) {
  std::string info;
  put_bytes(info, kInfoReason, reason_of(status));
  put_bytes(info, kInfoDomain, kErrorDomain);
  for (const auto& [name, value] : facts_of(status)) {
    std::string entry;
    put_bytes(entry, kEntryKey, plain_text(name, bytes_max));
    put_bytes(entry, kEntryValue, plain_text(value, bytes_max));
    constexpr std::size_t kFramingBytesMax = 6;
    if (info.size() + entry.size() + kFramingBytesMax > bytes_max) break;
    put_bytes(info, kInfoMetadata, entry);
  }
  return info;
}

std::string detail_of(std::string_view url, std::string_view message) {
  std::string any;
  put_bytes(any, kAnyUrl, url);
  put_bytes(any, kAnyValue, message);
  return any;
}

std::optional<std::uint64_t> retry_after_ms(const absl::Status& status) {
  const auto facts = facts_of(status);
  const auto found = facts.find(std::string(kRetryAfterFact));
  if (found == facts.end()) return std::nullopt;
  const std::string& text = found->second;
  std::uint64_t value = 0;
  const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), value);
  return wrong == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

std::string retry_info(std::uint64_t milliseconds) {
  std::string delay;
  put_number(delay, kDurationSeconds, milliseconds / 1000);
  put_number(delay, kDurationNanos, milliseconds % 1000 * 1'000'000);
  std::string info;
  put_bytes(info, kRetryDelay, delay);
  return info;
}

}  // namespace

std::string error_details(const absl::Status& status) {
  if (status.ok() || reason_of(status).empty()) return {};
  std::string out;
  put_number(out, kStatusCode, static_cast<std::uint64_t>(status.code()));
  put_bytes(out, kStatusMessage, plain_text(message_of(status), kErrorTextBytesMax));
  constexpr std::size_t kAnyFramingBytesMax = 16 + kErrorInfoUrl.size();
  const std::optional<std::uint64_t> retry_after = retry_after_ms(status);
  const std::size_t kept_free = kAnyFramingBytesMax + (retry_after ? kRetryInfoBytesMax : 0);
  const std::string info = error_info(status, kErrorDetailsBytesMax - out.size() - kept_free);
  put_bytes(out, kStatusDetails, detail_of(kErrorInfoUrl, info));
  if (retry_after) put_bytes(out, kStatusDetails, detail_of(kRetryInfoUrl, retry_info(*retry_after)));
  return out;
}

grpc::Status to_grpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), plain_text(message_of(status), kErrorTextBytesMax),
                      error_details(status));
}

}  // namespace kv
