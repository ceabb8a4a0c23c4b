#include "rpc/status.h"

#include <map>
#include <optional>
#include <string>

#include <catch2/catch.hpp>

#include "core/error.h"
#include "error_fields.h"
#include "running_rpc.h"

namespace kv {
namespace {

// Decoded by protobuf itself, field by field: it has no part in how the bytes were written.
struct Decoded {
  std::uint64_t code = 0;
  std::string message, url, reason, domain;
  std::map<std::string, std::string> facts;
};

Decoded decode(const std::string& bytes) {
  const Fields status(bytes);
  Decoded decoded;
  decoded.code = status.field(0).varint();
  decoded.message = text(status, 2);
  const Fields any(text(status, 3));
  decoded.url = text(any, 1);
  const Fields info(text(any, 2));
  decoded.reason = text(info, 1);
  decoded.domain = text(info, 2);
  for (int i = 0; i < info.field_count(); ++i) {
    if (info.field(i).number() != 3) continue;
    const Fields entry(info.field(i).length_delimited());
    decoded.facts[text(entry, 1)] = text(entry, 2);
  }
  return decoded;
}

TEST_CASE("status: reason and facts travel as a google.rpc.Status with one ErrorInfo") {
  const Decoded decoded =
      decode(error_details(error(Reason::kEntryTooLarge, "too large", {{"limit", "4190208"}, {"size", "5000000"}})));
  CHECK(decoded.code == 3);
  CHECK(decoded.message == "ENTRY_TOO_LARGE: too large");
  CHECK(decoded.url == "type.googleapis.com/google.rpc.ErrorInfo");
  CHECK(decoded.reason == "ENTRY_TOO_LARGE");
  CHECK(decoded.domain == "kvstore");
  CHECK(decoded.facts == std::map<std::string, std::string>{{"limit", "4190208"}, {"size", "5000000"}});
}

TEST_CASE("status: when to come again is a google.rpc.RetryInfo, too") {
  const std::string bytes =
      error_details(error(Reason::kOverloaded, "not now", {{"limit", "7"}, {"retry_after_ms", "1250"}}));
  CHECK(decode(bytes).facts == std::map<std::string, std::string>{{"limit", "7"}, {"retry_after_ms", "1250"}});
  CHECK(retry_after_ms(bytes) == 1250);
  CHECK_FALSE(retry_after_ms(error_details(error(Reason::kOverloaded, "not now"))));
  CHECK_FALSE(retry_after_ms(error_details(error(Reason::kOverloaded, "x", {{"retry_after_ms", "soon"}}))));
  const std::string long_one = error_details(
      error(Reason::kOverloaded, std::string(5000, 'x'), {{"retry_after_ms", "100"}, {"a", std::string(5000, 'a')}}));
  CHECK(long_one.size() <= kErrorDetailsBytesMax);
  CHECK(retry_after_ms(long_one) == 100);
}

TEST_CASE("status: a caller receives code, text and details over the wire") {
  RunningRpc rpc;
  grpc::ClientContext context;
  kvstore::DelRequest request;
  request.set_key("k");
  kvstore::DelResponse response;
  const grpc::Status status = rpc.stub->Del(&context, request, &response);
  CHECK(status.error_code() == grpc::StatusCode::INVALID_ARGUMENT);
  CHECK(status.error_message() == "KEY_TOO_LARGE: the key is too large");
  CHECK(decode(status.error_details()).facts["limit"] == "64");
}

TEST_CASE("status: a text and facts of any size arrive, cut") {
  RunningRpc rpc;
  grpc::ClientContext context;
  kvstore::DelRequest request;
  request.set_key(std::string(100000, 'k'));
  kvstore::DelResponse response;
  const grpc::Status status = rpc.stub->Del(&context, request, &response);
  CHECK(status.error_code() == grpc::StatusCode::INVALID_ARGUMENT);
  CHECK(status.error_details().size() <= kErrorDetailsBytesMax);
  const absl::Status long_text = error(Reason::kInternal, std::string(100000, 'x'));
  CHECK(to_grpc(long_text).error_message().size() == kErrorTextBytesMax);
}

TEST_CASE("status: bytes that are not UTF-8 become question marks, whole characters stay whole") {
  CHECK(to_grpc(absl::InternalError("a\xff\xfe"
                                    "b\xc3"))
            .error_message() == "a??b?");
  CHECK(to_grpc(absl::InternalError("gr\xc3\xb6\xc3\x9f"
                                    "e"))
            .error_message() ==
        "gr\xc3\xb6\xc3\x9f"
        "e");
}

TEST_CASE("status: an error without a reason word carries its code and text only") {
  CHECK(error_details(absl::NotFoundError("no such service")).empty());
  CHECK(to_grpc(absl::NotFoundError("no such service")).error_code() == grpc::StatusCode::NOT_FOUND);
  CHECK(to_grpc(absl::OkStatus()).ok());
}

}  // namespace
}  // namespace kv
