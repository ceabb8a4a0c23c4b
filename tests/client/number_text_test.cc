// Whole numbers on the command line: all of 64 bits, and nothing that only looks like one.
#include "client/cli/number_text.h"

#include <limits>
#include <string>

#include <catch2/catch.hpp>

using namespace kv;

TEST_CASE("numbers: all 64 bits can be typed, the least of them too") {
  CHECK(parse_signed("9223372036854775807").value() == std::numeric_limits<std::int64_t>::max());
  CHECK(parse_signed("-9223372036854775808").value() == std::numeric_limits<std::int64_t>::min());
  CHECK(parse_signed("+5").value() == 5);
  CHECK(parse_signed("-0").value() == 0);
}

TEST_CASE("numbers: what is none, or none of 64 bits, is refused as a whole") {
  for (const std::string word : {"", "-", "+", "+-1", "--1", "1.5", "0x10", "1 ", " 1", "1e3", "9223372036854775808",
                                 "-9223372036854775809", "5s"}) {
    CAPTURE(word);
    CHECK_FALSE(parse_signed(word).ok());
  }
}
