#include "core/utf8.h"

#include <cstdint>
#include <string>

#include <catch2/catch.hpp>

using namespace kv;
using namespace std::string_literals;

namespace {

std::string encoded(std::uint32_t point, int length) {
  if (length == 1) return std::string(1, static_cast<char>(point));
  std::string text;
  for (int i = length - 1; i > 0; --i)
    text.insert(text.begin(), static_cast<char>(0x80 | ((point >> (6 * (length - 1 - i))) & 0x3F)));
  const std::uint32_t mark = length == 2 ? 0xC0 : length == 3 ? 0xE0 : 0xF0;
  text.insert(text.begin(), static_cast<char>(mark | (point >> (6 * (length - 1)))));
  return text;
}

int shortest(std::uint32_t point) { return point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4; }

}  // namespace

TEST_CASE("utf8: every code point in its shortest form is accepted, surrogates and longer forms are not") {
  for (std::uint32_t point = 0; point < 0x1FFFFF; ++point) {
    const bool real = point <= 0x10FFFF && (point < 0xD800 || point > 0xDFFF);
    for (int length = shortest(point); length <= 4; ++length) {
      const std::string text = encoded(point, length);
      const bool good = real && length == shortest(point);
      if (is_utf8(text) != good || is_utf8("sevenby" + text + "tail") != good) {
        CAPTURE(point, length);
        FAIL("judged wrongly");
      }
    }
  }
}

TEST_CASE("utf8: cut sequences, stray continuations and impossible bytes are refused anywhere in the text") {
  for (const std::string& bad : {"\x80"s, "\xC3"s, "\xE2\x82"s, "\xF0\x9F\x98"s, "\xFF"s, "\xFE"s, "\xC0\x80"s,
                                 "\xC3("s, "\xE2\x82("s, "\xF0\x9F\x98("s, "\xF5\x80\x80\x80"s}) {
    for (std::size_t before = 0; before < 17; ++before) {
      CHECK_FALSE(is_utf8(std::string(before, 'a') + bad));
      CHECK_FALSE(is_utf8(std::string(before, 'a') + bad + std::string(9, 'z')));
    }
  }
  CHECK(is_utf8(""));
  CHECK(is_utf8("\0\n\t and NUL"s));
}
