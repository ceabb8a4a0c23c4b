// The keys as they are after a snapshot and a log, for the tools: what a start would serve; and the request ids that it
// would find there.
//
// Threads: one. Bounds: as large as the keys (with values: as the data), which the server holds in memory too, and 64
// bytes an id. How many of the ids a server still remembers is a matter of its settings and its clock.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>

#include "persistence/format/snapshot_format.h"
#include "store/request.h"
#include "store/types.h"
#include "tools/record_page.h"

namespace kv::tools {

struct KeyState {
  ValueType type = ValueType::kString;
  Revision version = 0;
  Revision create_version = 0;
  UnixMillis expire_at = kNoExpiry;
  std::uint64_t value_hash = 0;
  std::string value;  // empty unless values are kept
};

class State {
 public:
  enum class Values { kHashed, kKept };
  explicit State(Values values) : keep_(values == Values::kKept) {}

  // One key of a snapshot; false when it is there already.
  bool load(std::string_view key, KeyState facts, std::string_view value);
  // The same, but a newer version of the key stays, and an older one goes.
  void merge(std::string_view key, KeyState facts, std::string_view value);
  void forget(const std::string& key) { keys_.erase(key); }
  // One change of the log. A key with a newer version stays as it is.
  void apply(const Mutation& mutation, Revision revision);
  // Of two with the same id the younger stays.
  void remember(const snapshot_format::RequestIdRecord& request);
  void remember(const RecordFacts& record);  // its request block, if it has one
  void clear() {
    keys_.clear();
    requests_.clear();
  }

  const std::unordered_map<std::string, KeyState>& keys() const noexcept { return keys_; }
  const std::map<RequestId, snapshot_format::RequestIdRecord>& requests() const noexcept { return requests_; }
  // The state digest of docs/formats/snapshot.md.
  std::uint64_t digest() const noexcept;

 private:
  void set_value(KeyState& facts, std::string_view value) const;

  bool keep_;
  std::unordered_map<std::string, KeyState> keys_;
  std::map<RequestId, snapshot_format::RequestIdRecord> requests_;
};

std::uint64_t digest_of(std::string_view key, const KeyState& facts) noexcept;

}  // namespace kv::tools
