// What `grpc-status-details-bin` holds, read by protobuf itself, field by field: it has no part in how the bytes were
// written.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <catch2/catch.hpp>
#include <google/protobuf/unknown_field_set.h>

namespace kv {

struct Fields : google::protobuf::UnknownFieldSet {
  explicit Fields(const std::string& bytes) { REQUIRE(ParseFromString(bytes)); }
};

inline std::string text(const google::protobuf::UnknownFieldSet& set, int number) {
  for (int i = 0; i < set.field_count(); ++i) {
    if (set.field(i).number() == number) return set.field(i).length_delimited();
  }
  return {};
}

// Of the google.rpc.RetryInfo among the details, if there is one.
inline std::optional<std::uint64_t> retry_after_ms(const std::string& details) {
  const Fields status(details);
  for (int i = 0; i < status.field_count(); ++i) {
    if (status.field(i).number() != 3) continue;
    const Fields any(status.field(i).length_delimited());
    if (text(any, 1) != "type.googleapis.com/google.rpc.RetryInfo") continue;
    const Fields info(text(any, 2));
    const Fields delay(text(info, 1));
    std::uint64_t milliseconds = 0;
    for (int part = 0; part < delay.field_count(); ++part) {
      const std::uint64_t value = delay.field(part).varint();
      milliseconds += delay.field(part).number() == 1 ? value * 1000 : value / 1'000'000;
    }
    return milliseconds;
  }
  return std::nullopt;
}

}  // namespace kv
