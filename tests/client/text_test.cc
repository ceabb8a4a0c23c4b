#include "client/cli/text.h"

#include <catch2/catch.hpp>

#include "client/cli/glob.h"

using namespace kv;
using namespace std::string_literals;

TEST_CASE("text: what is not UTF-8, overlong forms and surrogates included, is never printable") {
  for (const char* good : {"", "a", "é", "日本", "\U0001F600", "\u07ff"}) CHECK(is_printable(good));
  for (const char* bad :
       {"\x80", "\xc0\x80", "\xc3", "\xe2\x82", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff", "a\xfe"}) {
    CAPTURE(escaped(bad));
    CHECK_FALSE(is_printable(bad));
  }
}

TEST_CASE("text: control characters and direction marks are not printable") {
  CHECK(is_printable("héllo wörld"));
  for (const char* bad : {"\n", "\x1b[2J", "\x7f", "\u0085", "\u202e", "\u2028", "\xff"})
    CHECK_FALSE(is_printable(bad));
  CHECK_FALSE(is_printable("a\0b"s));
}

TEST_CASE("text: a key is quoted only when it has to be") {
  CHECK(quoted("user:1") == "user:1");
  CHECK(quoted("日本") == "日本");
  CHECK(quoted("") == R"("")");
  CHECK(quoted("a b") == R"("a b")");
  CHECK(quoted("a\"b") == "a\"b");
  CHECK(quoted("\"b") == R"("\"b")");
  CHECK(quoted("a\\b") == R"("a\\b")");
  CHECK(quoted("a\n\x1b\0"s) == R"("a\n\x1b\x00")");
}

TEST_CASE("text: a value is shown as it is unless that would hide or move something") {
  CHECK(shown("two  blanks") == "two  blanks");
  CHECK(shown(R"({"a":"b"})") == R"({"a":"b"})");
  CHECK(shown("a\nb") == R"("a\nb")");
  CHECK(shown(R"("a\nb")") == R"("\"a\\nb\"")");
  CHECK(harmless("bad \x1b[31m \\ text") == R"(bad \x1b[31m \ text)");
}

TEST_CASE("text: base64 has the test vectors of RFC 4648") {
  CHECK(base64("") == "");
  CHECK(base64("f") == "Zg==");
  CHECK(base64("fo") == "Zm8=");
  CHECK(base64("foo") == "Zm9v");
  CHECK(base64("foob") == "Zm9vYg==");
  CHECK(base64("fooba") == "Zm9vYmE=");
  CHECK(base64("foobar") == "Zm9vYmFy");
  CHECK(base64("\xff\xfe"s) == "//4=");
}

TEST_CASE("glob: stars, question marks and sets match what they say") {
  CHECK(glob_matches("*", ""));
  CHECK(glob_matches("user:*", "user:"));
  CHECK(glob_matches("*a*b*", "xxaybz"));
  CHECK(glob_matches("a?c", "aéc"));
  CHECK(glob_matches("[a-c]1", "b1"));
  CHECK(glob_matches("[!a-c]1", "d1"));
  CHECK(glob_matches("[]x]", "]"));
  CHECK(glob_matches("\\*", "*"));
  CHECK(glob_matches("a[", "a["));
  CHECK(glob_matches("a*\0z"s, "a--\0z"s));
  CHECK_FALSE(glob_matches("", "a"));
  CHECK_FALSE(glob_matches("a?", "a"));
  CHECK_FALSE(glob_matches("user:*", "use"));
  CHECK_FALSE(glob_matches("[!a-c]1", "b1"));
  CHECK_FALSE(glob_matches("\\*", "x"));
}

TEST_CASE("glob: many stars over a long key end soon") {
  const std::string key(20'000, 'a');
  CHECK_FALSE(glob_matches("*a*a*a*a*a*a*a*a*b", key));
}
