// The text of a transaction, in both forms, and what is wrong with one.
#include <catch2/catch.hpp>

#include "client/cli/transaction_text.h"
#include "core/absl_text.h"

using namespace kv;
namespace v1 = kvstore::v1;

namespace {

v1::TransactRequest parsed(std::string_view text) {
  const auto request = parse_transaction(text);
  CAPTURE(text, request.status().ToString());
  REQUIRE(request.ok());
  return *request;
}

std::string refusal_of(std::string_view text) {
  const auto request = parse_transaction(text);
  CAPTURE(text);
  REQUIRE_FALSE(request.ok());
  return std::string(message_of(request.status()));
}

}  // namespace

TEST_CASE("transaction: conditions, commands and the other branch are read in their order") {
  const v1::TransactRequest request = parsed(
      "if a = 1; if b absent; if c version 7; if d exists\n"
      "# a comment; with a semicolon\n"
      "then set a 'x; y'; incr n -2\n"
      "append l \"\\x00\"; expire a 5s; del b\n"
      "else get a");
  REQUIRE(request.comparisons_size() == 4);
  CHECK(request.comparisons(0).precondition().value_equals() == "1");
  CHECK(request.comparisons(1).precondition().has_exists());
  CHECK_FALSE(request.comparisons(1).precondition().exists());
  CHECK(request.comparisons(2).precondition().version_equals() == 7);
  CHECK(request.comparisons(3).precondition().exists());
  REQUIRE(request.then_size() == 5);
  CHECK(request.then(0).set().value() == "x; y");
  CHECK(request.then(1).increment().delta() == -2);
  CHECK(request.then(2).append().suffix() == std::string(1, '\0'));
  CHECK(request.then(3).set_expiry().expiry().ttl().seconds() == 5);
  CHECK(request.then(4).delete_().key() == "b");
  REQUIRE(request.otherwise_size() == 1);
  CHECK(request.otherwise(0).get().key() == "a");
}

TEST_CASE("transaction: without conditions the commands are enough") {
  CHECK(parsed("set a 1; set b 2").then_size() == 2);
  CHECK(parsed("then set a 1").then_size() == 1);
  CHECK(parsed("if a = 1; else set a 1").otherwise_size() == 1);
}

TEST_CASE("transaction: JSON says the same, and any bytes") {
  const v1::TransactRequest request =
      parsed(R"({"if":[{"key":"a","value_base64":"/w=="},{"key":"b","exists":false},{"key":"c","version":7}],)"
             R"("then":[{"set":{"key_base64":"/w==","value":"2"}},{"incr":{"key":"n","delta":-1}},)"
             R"({"expire":{"key":"a","expiry":"never"}}],"else":[{"get":{"key":"b"}}]})");
  CHECK(request.comparisons(0).precondition().value_equals() == "\xff");
  CHECK(request.comparisons(2).precondition().version_equals() == 7);
  CHECK(request.then(0).set().key() == "\xff");
  CHECK(request.then(1).increment().delta() == -1);
  CHECK(request.then(2).set_expiry().expiry().never());
  CHECK(request.otherwise(0).get().key() == "b");
}

TEST_CASE("transaction: what is not understood is refused with its clause") {
  CHECK(refusal_of("") == "the transaction does nothing");
  CHECK(refusal_of("if a = 1") == "the transaction does nothing");
  CHECK(refusal_of("set a 1; fly") ==
        "clause 2: expected get K, set K V, del K, incr K [DELTA], append K V or expire K WHEN");
  CHECK(refusal_of("set a 1 2").find("clause 1: expected") == 0);
  CHECK(refusal_of("if a ~ 1; set a 1").find("clause 1: expected if KEY = VALUE") == 0);
  CHECK(refusal_of("if a = 1; set a 2") == "clause 2: expected if, then or else");
  CHECK(refusal_of("set a 1; if a = 1") == "clause 2: an if stands before the first command");
  CHECK(refusal_of("else get a; then get b").find("clause 2: then stands once") == 0);
  CHECK(refusal_of("set a 'x").find("clause 1: column ") == 0);
  CHECK(refusal_of("incr a 1.5") == "clause 1: '1.5' is no whole number of 64 bits");
  CHECK(refusal_of("{") == "the transaction is no JSON object");
  CHECK(refusal_of(R"({"then":[{"set":{"key":"a"}}]})").find("then[0]: expected get K") == 0);
  CHECK(refusal_of(R"({"then":[{"set":{"key":"a","value":"1","ttl":5}}]})") == "then[0]: unknown field ttl");
  CHECK(refusal_of(R"({"if":[{"key":"a"}],"then":[]})") == "if[0]: needs one of value, exists and version");
  CHECK(refusal_of(R"({"when":[]})") == "unknown field when");
}
