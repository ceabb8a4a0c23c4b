// What the API allows (docs/api/v1.md), read off the library's messages: the second opinion about every request.
//
// Hard part: it must not be the server's code again. So it looks at whole messages, where the server reads bytes, and
// says yes or no where the server finds the first thing that is wrong.
//
// Threads: free functions. A message is lawful with the fields that this version knows, and with no others.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "kvstore/v1/key_value_service.pb.h"
#include "server/limits.h"

namespace kv::fuzz {

bool is_lawful(const Limits& limits, const kvstore::v1::GetRequest& request);
bool is_lawful(const Limits& limits, const kvstore::v1::SetRequest& request);
bool is_lawful(const Limits& limits, const kvstore::v1::DeleteRequest& request);
bool is_lawful(const Limits& limits, const kvstore::v1::IncrementRequest& request);
bool is_lawful(const Limits& limits, const kvstore::v1::AppendRequest& request);
bool is_lawful(const Limits& limits, const kvstore::v1::SetExpiryRequest& request);
bool is_lawful(const Limits& limits, const kvstore::v1::TransactRequest& request);
bool is_lawful(const Limits& limits, const kvstore::v1::MultiGetRequest& request);
bool is_lawful(const kvstore::v1::DeleteRangeRequest& request);
// But for its token.
bool is_lawful(const kvstore::v1::ScanRequest& request);

// Whether the range, which must be lawful, selects the key.
bool selects(const kvstore::v1::KeyRange& range, std::string_view key);

// Patterns over keys, as a list of what may stand at each place and tried place by place.
class PlainPattern {
 public:
  // Nothing: it is no pattern.
  static std::optional<PlainPattern> read(std::string_view glob);
  bool matches(std::string_view key) const;

 private:
  struct Place {
    bool any_run = false;  // a *
    std::vector<bool> bytes;
  };
  static bool read_set(std::string_view& rest, std::vector<bool>& bytes);

  std::vector<Place> places_;
};

}  // namespace kv::fuzz
