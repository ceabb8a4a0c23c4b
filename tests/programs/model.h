// What kvstore.v1 must answer to one client, as simply as it can be said: a map of keys, and one rule for each
// operation. It shares no code with the server.
//
// Two things are the server's to choose and are taken from its answer: the revision of a change, and within bounds the
// moment at which a ttl ends. All else must be equal.
//
// Threads: one. Errors: Mismatch, which says what was answered and what should have been.
// Source:  docs/api/v1.md.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>

#include "kvstore/v1/key_value_service.pb.h"

namespace kv::programs {

namespace v1 = kvstore::v1;

struct Mismatch : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Throws Mismatch unless it holds.
void expect(bool holds, const std::string& what);
void expect_equal(const google::protobuf::Message& is, const google::protobuf::Message& should);

// Milliseconds since 1970.
struct Span {
  std::int64_t first = 0;
  std::int64_t last = 0;
};

struct Held {
  std::string value;
  std::uint64_t version = 0;
  std::uint64_t create_version = 0;
  std::optional<Span> expires = {};  // one moment, or, of a ttl that no answer has shown yet, about when
};

// How an operation is carried out.
struct Setting {
  v1::Durability level = v1::DURABILITY_UNSPECIFIED;  // that its answer names
  Span called = {};                                   // when, with room on both sides for the server's clock
};

class Model {
 public:
  const std::map<std::string, Held>& data() const { return data_; }

  // Applies the operation as of `revision` and gives what the server must answer. `seen` is what it did answer; null
  // when nobody will see it.
  v1::OperationResult answer(const v1::Operation& operation, std::uint64_t revision, const Setting& setting,
                             const v1::OperationResult* seen);
  v1::GetResponse get(const v1::GetRequest& request, const v1::Entry* seen);
  // Of a key that is there.
  v1::Entry entry(const std::string& key, bool with_value, const v1::Entry* seen);
  bool holds(const std::string& key, const v1::Precondition& precondition) const;
  // How many keys begin so; and removes them.
  std::uint64_t count(const std::string& prefix) const;
  void remove(const std::string& prefix);

 private:
  v1::OperationResult set(const v1::SetRequest& request, std::uint64_t revision, const Setting& setting,
                          const v1::Entry* seen);
  v1::OperationResult remove(const v1::DeleteRequest& request, std::uint64_t revision, const Setting& setting,
                             const v1::Entry* seen);
  v1::OperationResult increment(const v1::IncrementRequest& request, std::uint64_t revision, const Setting& setting);
  v1::OperationResult append(const v1::AppendRequest& request, std::uint64_t revision, const Setting& setting);
  v1::OperationResult set_expiry(const v1::SetExpiryRequest& request, std::uint64_t revision, const Setting& setting,
                                 const v1::Entry* seen);
  void put(const std::string& key, const std::string& value, const v1::Expiry& expiry, bool keeps_expiry,
           std::uint64_t revision, const Setting& setting);

  std::map<std::string, Held> data_;
};

// What a comparison leaves out: texts, estimates of memory, and the revision at which was read.
v1::OperationResult without_choices(v1::OperationResult result);
v1::GetResponse without_choices(v1::GetResponse response);
v1::Entry without_choices(v1::Entry entry);
// Of the change that a result tells of; 0: of none.
std::uint64_t revision_of(const v1::OperationResult& result);
// The entry that a result shows; null when it shows none.
const v1::Entry* entry_of(const v1::OperationResult& result);
// What a retry with the same request id must be answered.
v1::OperationResult as_replayed(v1::OperationResult first);
v1::WriteResult as_replayed(v1::WriteResult first);

}  // namespace kv::programs
