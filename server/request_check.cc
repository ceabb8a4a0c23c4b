#include "server/request_check.h"

#include <fmt/format.h>

#include "core/error.h"

namespace kv {

absl::Status check_key(const Limits& limits, std::string_view key) {
  if (key.empty()) return error(Reason::kEmptyKey, "the key is empty or not set", {{"field", "key"}});
  if (key.size() <= limits.key_bytes_max) return absl::OkStatus();
  return error(Reason::kKeyTooLarge,
               fmt::format("the key has {} bytes, the limit is {}", key.size(), limits.key_bytes_max),
               {{"field", "key"}, {"limit", std::to_string(limits.key_bytes_max)}});
}

absl::Status check_entry(const Limits& limits, std::string_view key, std::string_view value) {
  if (const absl::Status checked = check_key(limits, key); !checked.ok()) return checked;
  if (key.size() + value.size() <= limits.entry_bytes_max) return absl::OkStatus();
  return error(Reason::kEntryTooLarge,
               fmt::format("key and value have {} bytes together, the limit is {}", key.size() + value.size(),
                           limits.entry_bytes_max),
               {{"field", "value"}, {"limit", std::to_string(limits.entry_bytes_max)}});
}

absl::Status check_operation(const Limits& limits, const Operation& operation) {
  const bool brings_a_value = operation.kind == OperationKind::kSet || operation.kind == OperationKind::kAppend;
  const std::size_t key_bytes = operation.key.size();
  if (key_bytes != 0 && key_bytes <= limits.key_bytes_max &&
      (!brings_a_value || key_bytes + operation.value.size() <= limits.entry_bytes_max))
    return absl::OkStatus();  // most of all, and at once
  if (brings_a_value) return check_entry(limits, operation.key, operation.value);
  return check_key(limits, operation.key);
}

}  // namespace kv
