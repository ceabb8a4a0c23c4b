// Reads operations from the bytes of kvstore.v1 messages, without a message object: GetRequest, SetRequest and the
// others, alone or as an arm of kvstore.v1.Operation.
//
// Hard part: any bytes must mean what they mean to protobuf. A field that comes twice overwrites, or merges when it is
// a message; of a oneof the last arm counts, and an arm that comes again after itself merges. So nothing is judged
// before the last byte was read: decode first, then finish().
//
// Threads:  free functions. Lifetime: what is decoded views the bytes.
// Errors:   decode gives false where protobuf cannot parse (MESSAGE_INVALID). finish() gives FIELD_INVALID, with the
//           field's path, for a field or a number that does not exist here, and DURABILITY_UNAVAILABLE for a quorum.
//           Sizes are the engine's to check.
// Source:   protos/kvstore/v1/key_value.proto, operation.proto; tests/server/operation_decoder_test.cc.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "core/wire.h"
#include "server/operation.h"

namespace kv {

// A field that does not exist: the path of the message it stands in, and its number; 0 means there is none.
struct UnknownField {
  const char* within = "";
  std::uint32_t number = 0;

  void note(const char* where, std::uint32_t field) noexcept {
    if (number == 0) *this = {where, field};
  }
};

// An operation as it stands in the bytes, nothing judged yet.
struct DecodedOperation {
  struct Options {
    std::int32_t durability = 0;
    std::string_view request_id;
    bool there = false;
  };
  struct Expiry {
    std::uint32_t policy = 0;  // field number of the arm, 0: none
    bool there = false;
    bool flag = false;          // never, keep
    std::int32_t nanos = 0;     // ttl, at
    std::int64_t seconds = 0;   // ttl, at
    UnknownField unknown = {};  // inside of the arm
  };
  struct Test {
    bool there = false;
    std::int32_t type = 0;
  };

  Operation operation;
  Expiry expiry;
  Test test;
  Options options;
  UnknownField unknown;
};

// A request of one operation, whose kind is known from the method.
bool decode_request(OperationKind kind, std::string_view bytes, DecodedOperation& decoded) noexcept;
// The content of one kvstore.v1.Operation. An unset one, or one of a kind that does not exist here, is of kind kNone.
bool decode_operation(WireReader& reader, DecodedOperation& decoded) noexcept;
// The content of messages that other requests hold, too.
bool decode_options(WireReader& reader, DecodedOperation::Options& options, UnknownField& unknown,
                    const char* where) noexcept;
bool decode_precondition(WireReader& reader, DecodedOperation& decoded, const char* where) noexcept;

// Completes decoded.operation. Then its options count.
absl::Status finish(DecodedOperation& decoded);
absl::Status finish(const DecodedOperation::Options& options, WriteOptions& result);
absl::Status finish_precondition(DecodedOperation& decoded);

// The same error, told of a place inside of a larger request: of the field "key" in "then[3].set", or, when it is of no
// field, of the place itself.
[[gnu::cold]] absl::Status within(const absl::Status& failed, std::string_view place);
// "then[3].set", of an operation that was decoded.
std::string place_of(std::string_view list, std::size_t index, OperationKind kind);

[[gnu::cold]] absl::Status refuse_field(std::string_view path, std::string_view why);
[[gnu::cold]] absl::Status refuse_unknown(const UnknownField& unknown);

}  // namespace kv
