#include "core/units.h"

#include <catch2/catch.hpp>

#include "core/error.h"

using namespace kv;
using namespace std::chrono_literals;

TEST_CASE("units: sizes are read with binary and decimal units, bare numbers are bytes") {
  CHECK(*parse_size("0") == 0);
  CHECK(*parse_size("17") == 17);
  CHECK(*parse_size("10MiB") == 10u << 20);
  CHECK(*parse_size("10 mib") == 10u << 20);
  CHECK(*parse_size("3KB") == 3000);
  CHECK(*parse_size("2GB") == 2'000'000'000);
}

TEST_CASE("units: durations need a unit, because a bare number could mean anything") {
  CHECK(*parse_duration("5m") == 5min);
  CHECK(*parse_duration("250ms") == 250ms);
  CHECK(*parse_duration("365d") == 24h * 365);
  CHECK(*parse_duration("0") == 0ms);
  CHECK(has_reason(parse_duration("300").status(), Reason::kConfigInvalid));
}

TEST_CASE("units: nonsense, negative and overflowing values are refused") {
  for (const char* text : {"", "x", "-1", "1.5MiB", "1MiBs", "99999999999999999999", "9999999999TiB", "1 0"}) {
    CAPTURE(text);
    CHECK(has_reason(parse_size(text).status(), Reason::kConfigInvalid));
  }
  for (const char* text : {"", "s", "-1s", "1w", "9223372036854775807d"}) {
    CAPTURE(text);
    CHECK(has_reason(parse_duration(text).status(), Reason::kConfigInvalid));
  }
  CHECK(has_reason(parse_number("12a").status(), Reason::kConfigInvalid));
}

TEST_CASE("units: the canonical form is short and reads back to the same value") {
  CHECK(format_size(10u << 20) == "10MiB");
  CHECK(format_size(4u << 10) == "4KiB");
  CHECK(format_size(3000) == "3KB");
  CHECK(format_size(0) == "0B");
  CHECK(format_duration(300s) == "5m");
  CHECK(format_duration(1500ms) == "1500ms");
  for (std::uint64_t value : {1ull, 999ull, 1000ull, 1024ull, 4'190'208ull, 1ull << 41}) {
    CHECK(*parse_size(format_size(value)) == value);
    CHECK(*parse_duration(format_duration(std::chrono::milliseconds(value))) == std::chrono::milliseconds(value));
  }
}
