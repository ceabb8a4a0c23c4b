#include "client/cli/entry_json.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>

#include <fmt/format.h>

#include "client/cli/expiry_text.h"
#include "core/absl_text.h"

namespace kv {
namespace {

absl::Status refuse(std::string_view why) { return absl::InvalidArgumentError(to_absl(why)); }

int base64_digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

}  // namespace

std::optional<std::string> bytes_of_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3);
  for (std::size_t i = 0; i < text.size(); i += 4) {
    const bool last = i + 4 == text.size();
    const int padding = !last ? 0 : text[i + 2] == '=' && text[i + 3] == '=' ? 2 : text[i + 3] == '=' ? 1 : 0;
    std::uint32_t group = 0;
    for (int k = 0; k < 4; ++k) {
      const int digit = k >= 4 - padding ? 0 : base64_digit(text[i + static_cast<std::size_t>(k)]);
      if (digit < 0) return std::nullopt;
      group = group << 6 | static_cast<std::uint32_t>(digit);
    }
    for (int k = 0; k < 3 - padding; ++k) bytes += static_cast<char>(group >> (16 - 8 * k) & 0xff);
  }
  return bytes;
}

Json json_of(const kvstore::v1::Entry& entry, bool with_value) {
  Json json = Json::object();
  put_bytes(json, "key", entry.key());
  if (with_value) put_bytes(json, "value", entry.value());
  if (entry.has_expire_time()) json["expire_time"] = moment(entry.expire_time());
  return json;
}

absl::StatusOr<std::string> bytes_field(const Json& object, const std::string& name) {
  const std::string coded = name + "_base64";
  const bool plain = object.contains(name);
  if (plain == object.contains(coded)) return refuse(fmt::format("needs one of {} and {}", name, coded));
  const Json& field = object[plain ? name : coded];
  if (!field.is_string()) return refuse(fmt::format("{} is no string", plain ? name : coded));
  if (plain) return field.get<std::string>();
  auto bytes = bytes_of_base64(field.get_ref<const std::string&>());
  if (!bytes) return refuse(fmt::format("{} is not base64", coded));
  return *std::move(bytes);
}

absl::StatusOr<kvstore::v1::SetRequest> set_request_of(std::string_view line) {
  const Json object = Json::parse(line, nullptr, false);
  if (!object.is_object()) return refuse("is no JSON object");
  for (const auto& [name, value] : object.items()) {
    static constexpr std::string_view kKnown[] = {"key", "key_base64", "value", "value_base64", "expire_time"};
    if (std::find(std::begin(kKnown), std::end(kKnown), name) == std::end(kKnown)) {
      return refuse(fmt::format("has the unknown field {}", name));
    }
  }
  kvstore::v1::SetRequest request;
  auto key = bytes_field(object, "key");
  if (!key.ok()) return key.status();
  auto value = bytes_field(object, "value");
  if (!value.ok()) return value.status();
  request.set_key(*std::move(key));
  request.set_value(*std::move(value));
  if (!object.contains("expire_time")) return request;
  const Json& time = object["expire_time"];
  if (!time.is_string()) return refuse("expire_time is no string");
  const auto at = parse_moment(time.get_ref<const std::string&>());
  if (!at.ok()) return at.status();
  *request.mutable_expiry()->mutable_at() = *at;
  return request;
}

}  // namespace kv
