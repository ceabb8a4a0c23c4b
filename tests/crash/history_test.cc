#include "tests/crash/history.h"

#include <catch2/catch.hpp>

namespace kv::crash {

namespace {
constexpr WriteId kFirst{1, 1};
constexpr WriteId kSecond{1, 2};
constexpr WriteId kOther{2, 1};
bool right(const std::string& problem) { return problem.empty(); }
}  // namespace

TEST_CASE("history: an acknowledged write must be there, and nothing older in its place") {
  const std::optional<WriteId> shown = GENERATE(std::optional<WriteId>(kSecond), std::optional<WriteId>(kFirst),
                                                std::optional<WriteId>(), std::optional<WriteId>(kOther));
  History history;
  history.acknowledge(history.begin_set("k", kFirst));
  history.acknowledge(history.begin_set("k", kSecond));
  CHECK(right(history.settle("k", shown)) == (shown == kSecond));
}

TEST_CASE("history: a write that was never answered may be there or not") {
  const std::optional<WriteId> shown =
      GENERATE(std::optional<WriteId>(kSecond), std::optional<WriteId>(kFirst), std::optional<WriteId>());
  History history;
  history.acknowledge(history.begin_set("k", kFirst));
  history.begin_set("k", kSecond);
  CHECK(right(history.settle("k", shown)) == shown.has_value());
}

TEST_CASE("history: an acknowledged delete stays, one that was not answered may have happened") {
  History history;
  history.acknowledge(history.begin_set("deleted", kFirst));
  history.acknowledge(history.begin_delete("deleted"));
  CHECK_FALSE(right(history.settle("deleted", kFirst)));

  history.acknowledge(history.begin_set("perhaps", kFirst));
  history.begin_delete("perhaps");
  CHECK(right(history.settle("perhaps", std::nullopt)));
}

TEST_CASE("history: of two acknowledged writes at the same time either may be the last, not neither") {
  const std::optional<WriteId> shown =
      GENERATE(std::optional<WriteId>(kFirst), std::optional<WriteId>(kOther), std::optional<WriteId>());
  History history;
  const auto one = history.begin_set("k", kFirst);
  const auto two = history.begin_set("k", kOther);
  history.acknowledge(one);
  history.acknowledge(two);
  CHECK(right(history.settle("k", shown)) == shown.has_value());
}

TEST_CASE("history: what a check has seen is settled, an open write of before cannot show later") {
  History history;
  history.acknowledge(history.begin_set("k", kFirst));
  history.begin_set("k", kSecond);
  CHECK(right(history.settle("k", kFirst)));
  CHECK(right(history.settle("k", kFirst)));
  CHECK_FALSE(right(history.settle("k", kSecond)));
}

TEST_CASE("history: a key that nobody ever wrote must not be there") {
  History history;
  CHECK_FALSE(right(history.settle("stranger", kFirst)));
  CHECK(right(history.settle("nothing", std::nullopt)));
}

TEST_CASE("value: only the whole value under its own key is believed") {
  const std::string value = make_value("k", kSecond, 300);
  CHECK(value.size() == 300);
  CHECK(read_value("k", value) == kSecond);
  CHECK_FALSE(read_value("j", value));
  CHECK_FALSE(read_value("kk", value));
  CHECK_FALSE(read_value("k", value.substr(0, 299)));
  CHECK_FALSE(read_value("k", value + "x"));
  CHECK_FALSE(read_value("k", ""));
  for (std::size_t i = 0; i < value.size(); ++i) {
    std::string damaged = value;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    CHECK_FALSE(read_value("k", damaged));
  }
}

}  // namespace kv::crash
