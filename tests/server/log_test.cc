#include "server/log.h"

#include <catch2/catch.hpp>

using namespace kv;
using namespace std::string_literals;

TEST_CASE("log: what a client or a file says cannot forge a line") {
  CHECK(escaped("key a\nserving on x", false) == "key a\\x0aserving on x");
  CHECK(escaped("a\0b\x7F"s, false) == "a\\x00b\\x7f");
  CHECK(escaped("a\"},{\"b\\", true) == "a\\\"},{\\\"b\\\\");
  CHECK(escaped("tab\t", true) == "tab\\u0009");
}

TEST_CASE(
    "log: characters beyond ASCII that end a line, move the cursor or turn the direction cannot forge one either") {
  // CSI and NEL of C1, both of which a terminal obeys; the line and the paragraph separator; an override of direction.
  CHECK(escaped("evil\u009b2J\u0085next", false) == "evil\\xc2\\x9b2J\\xc2\\x85next");
  CHECK(escaped("evil\u009b2J\u0085next", true) == "evil\\u009b2J\\u0085next");
  CHECK(escaped("a\u2028b\u2029", false) == "a\\xe2\\x80\\xa8b\\xe2\\x80\\xa9");
  CHECK(escaped("a\u2028b\u202e", true) == "a\\u2028b\\u202e");
}

TEST_CASE("log: text stays readable, bytes that are not text are shown as numbers") {
  CHECK(escaped("größe 10 €", false) == "größe 10 €");
  CHECK(escaped("\xC3(", false) == "\\xc3(");
  CHECK(escaped("\xC3(", true) == "\\u00c3(");
  CHECK(escaped("größe \xff", false) == "größe \\xff");
}
