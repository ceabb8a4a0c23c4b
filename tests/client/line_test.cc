#include "client/cli/line.h"

#include <random>

#include <catch2/catch.hpp>

#include "client/cli/text.h"
#include "core/absl_text.h"

using namespace kv;
using Words = std::vector<std::string>;
using namespace std::string_literals;

namespace {

Words words_of(std::string_view line) {
  const auto words = line_words(line);
  CAPTURE(line, words.status().ToString());
  REQUIRE(words.ok());
  return *words;
}

std::string refusal_of(std::string_view line) {
  const auto words = line_words(line);
  CAPTURE(line);
  REQUIRE_FALSE(words.ok());
  return std::string(message_of(words.status()));
}

}  // namespace

TEST_CASE("line: blanks separate words and make none") {
  CHECK(words_of("").empty());
  CHECK(words_of(" \t ").empty());
  CHECK(words_of("  set\tk   v \r\n") == Words{"set", "k", "v"});
}

TEST_CASE("line: quotes keep blanks, single ones everything") {
  CHECK(words_of(R"(set "a  b" ' c\n"')") == Words{"set", "a  b", " c\\n\""});
  CHECK(words_of(R"(set k "")") == Words{"set", "k", ""});
  CHECK(words_of("''") == Words{""});
}

TEST_CASE("line: escapes make any byte, in double quotes and in bare words") {
  CHECK(words_of(R"("\n\r\t\\\"\x00\xfF")") == Words{"\n\r\t\\\"\x00\xff"s});
  CHECK(words_of(R"(my\ key a\x00b \'q)") == Words{"my key", "a\0b"s, "'q"});
}

TEST_CASE("line: a quote inside a word is a character like others, as lines of old have it") {
  CHECK(words_of(R"(set user {"name":"x"})") == Words{"set", "user", R"({"name":"x"})"});
  CHECK(words_of("it's") == Words{"it's"});
}

TEST_CASE("line: what cannot be understood is refused with its column, never guessed") {
  CHECK(refusal_of(R"(set "a b)") == "column 5: the quote that begins here has no end");
  CHECK(refusal_of(R"(set 'a'b)") == "column 8: a blank must follow the closing quote");
  CHECK(refusal_of(R"(a\)") == R"(column 2: the line ends in a backslash; write \\ for a backslash)");
  CHECK(refusal_of(R"("\)").find("ends in a backslash") != std::string::npos);
  CHECK(refusal_of(R"(\q)").find("unknown escape") != std::string::npos);
  CHECK(refusal_of(R"("\0")").find("unknown escape") != std::string::npos);
  for (const char* line : {R"(\x)", R"(\x1)", R"(\xg0)", R"(\x0g)", R"("\x1")"}) {
    CHECK(refusal_of(line).find("two hexadecimal digits") != std::string::npos);
  }
}

TEST_CASE("line: any bytes, quoted, read back as the same one word") {
  std::mt19937 random(20221);
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes(random() % 12, '\0');
    for (char& c : bytes) c = static_cast<char>(random() % 3 == 0 ? random() % 256 : "\"'\\ xn0\n\ta"[random() % 10]);
    CAPTURE(round, escaped(bytes));
    REQUIRE(words_of("get " + quoted(bytes)) == Words{"get", bytes});
    REQUIRE(is_printable(quoted(bytes)));
  }
}

TEST_CASE("line: random lines are read or refused with a column inside them") {
  std::mt19937 random(7);
  int refused = 0;
  for (int round = 0; round < 50'000; ++round) {
    std::string line(random() % 40, '\0');
    for (char& c : line) c = static_cast<char>(random() % 2 == 0 ? random() % 256 : "\"'\\ xn0f"[random() % 8]);
    const auto words = line_words(line);
    if (words.ok()) {
      std::size_t bytes = 0;
      for (const std::string& word : *words) bytes += word.size();
      REQUIRE(bytes <= line.size());
      continue;
    }
    ++refused;
    const std::string message(message_of(words.status()));
    REQUIRE(message.starts_with("column "));
    REQUIRE(std::stoul(message.substr(7)) <= line.size());
  }
  CHECK(refused > 1000);
  CHECK(refused < 49'000);
}
