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

TEST_CASE("log: text stays readable, bytes that are not text are shown as numbers") {
  CHECK(escaped("größe 10 €", false) == "größe 10 €");
  CHECK(escaped("\xC3(", false) == "\\xc3(");
  CHECK(escaped("\xC3(", true) == "\\u00c3(");
}
