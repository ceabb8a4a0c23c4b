#include "server/key_pattern.h"

#include <random>
#include <string>

#include <catch2/catch.hpp>

#include "core/error.h"

using namespace kv;

namespace {

bool matches(std::string_view glob, std::string_view key) {
  const auto pattern = KeyPattern::compile(glob);
  REQUIRE(pattern.ok());
  return pattern->matches(key);
}

bool invalid(std::string_view glob) {
  const auto pattern = KeyPattern::compile(glob);
  return has_reason(pattern.status(), Reason::kPatternInvalid);
}

// The definition, as slow as it is clear. Of *, ? and letters.
bool matches_by_definition(std::string_view glob, std::string_view key) {
  if (glob.empty()) return key.empty();
  if (glob.front() == '*') {
    for (std::size_t taken = 0; taken <= key.size(); ++taken) {
      if (matches_by_definition(glob.substr(1), key.substr(taken))) return true;
    }
    return false;
  }
  if (key.empty() || (glob.front() != '?' && glob.front() != key.front())) return false;
  return matches_by_definition(glob.substr(1), key.substr(1));
}

}  // namespace

TEST_CASE("key pattern: each element takes what its page says") {
  CHECK(matches("abc", "abc"));
  CHECK_FALSE(matches("abc", "abcd"));
  CHECK_FALSE(matches("abc", "ab"));
  CHECK(matches("*", ""));
  CHECK(matches("a*c", "ac"));
  CHECK(matches("a*c", "abcbc"));
  CHECK_FALSE(matches("a*c", "acb"));
  CHECK(matches("?", std::string_view("\0", 1)));
  CHECK(matches("a?c",
                "a\xff"
                "c"));
  CHECK(matches("[abc]", "b"));
  CHECK_FALSE(matches("[abc]", "d"));
  CHECK(matches("[a-c]x", "bx"));
  CHECK_FALSE(matches("[!a-c]", "b"));
  CHECK(matches("[^a-c]", "\xff"));
  CHECK(matches("[a-]", "-"));
  CHECK(matches("[\\]]", "]"));
  CHECK(matches("\\*\\?\\[", "*?["));
  CHECK(matches("user:*:[0-9]", "user:anna:7"));
  CHECK(matches("\xc3\xa4*", "\xc3\xa4x"));
}

TEST_CASE("key pattern: what makes no sense is refused") {
  for (const char* glob : {"[", "[a", "[]", "[!]", "[z-a]", "[a\\", "a\\", "[\xc3\xa4]"}) {
    INFO(glob);
    CHECK(invalid(glob));
  }
  CHECK_FALSE(invalid(std::string(KeyPattern::kPlacesMax, 'a')));
  CHECK(invalid(std::string(KeyPattern::kPlacesMax + 1, 'a')));
}

TEST_CASE("key pattern: random patterns over random keys agree with the definition") {
  std::mt19937 random(std::random_device{}());
  const auto text = [&](std::string_view letters, std::size_t length) {
    std::string made;
    for (std::size_t i = random() % (length + 1); i > 0; --i) made += letters[random() % letters.size()];
    return made;
  };
  int matched = 0;
  for (int i = 0; i < 20'000; ++i) {
    const std::string glob = text("aab?**", 9);
    const std::string key = text("ab", 12);
    INFO(glob << " over " << key);
    const bool expected = matches_by_definition(glob, key);
    REQUIRE(matches(glob, key) == expected);
    matched += expected ? 1 : 0;
  }
  CHECK(matched > 1000);
}

TEST_CASE("key pattern: places beyond a machine word work") {
  const std::string key = std::string(100, 'a') + "middle" + std::string(100, 'b');
  CHECK(matches(std::string(100, '?') + "middle" + std::string(100, 'b'), key));
  CHECK(matches("*" + std::string(90, 'a') + "*" + std::string(100, 'b'), key));
  CHECK_FALSE(matches("*" + std::string(90, 'a') + "*" + std::string(101, 'b'), key));
}

TEST_CASE("key pattern: the worst pattern over the longest key costs no more than its bytes") {
  std::string glob;
  while (glob.size() < 500) glob += "a*";
  const auto pattern = KeyPattern::compile(glob + "b");
  REQUIRE(pattern.ok());
  const std::string key(64 << 10, 'a');
  for (int i = 0; i < 100; ++i) REQUIRE_FALSE(pattern->matches(key));  // backtracking would not end in our time
}
