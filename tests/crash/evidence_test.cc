#include "tests/crash/evidence.h"

#include <catch2/catch.hpp>

namespace kv::crash {
namespace {

const std::string kStart =
    "2026-11-26T01:02:03.456Z info kvstore_server 0.1.0, process 7\n"
    "2026-11-26T01:02:03.500Z info recovery: 3 keys, 40 bytes of keys and values, 0 request ids, revision 12, 9 "
    "records "
    "replayed, 20 bytes of torn tail cut, after a stop that was not clean in 4 ms\n";
const std::string kTorn =
    "2026-11-26T01:02:03.480Z warning torn tail: /data/aof/0000000000000007.aof ends at offset 4096, 20 bytes beyond "
    "it "
    "do not count, last revision 12\n";
const TornTail kTail{"aof/0000000000000007.aof", 4096, 20, 12};

Remains remains_with_tail() {
  Remains remains;
  remains.revision = 12;
  remains.torn = kTail;
  return remains;
}

}  // namespace

TEST_CASE("evidence: a start that says what the checker said is right") {
  CHECK(judge_start(kTorn + kStart, remains_with_tail()).empty());
}

TEST_CASE("evidence: a torn tail is told once, and as the checker sees it") {
  CHECK_FALSE(judge_log(kStart, kTail).empty());
  CHECK_FALSE(judge_log(kTorn + kTorn + kStart, kTail).empty());
  CHECK_FALSE(judge_log(kTorn + kStart, std::nullopt).empty());
  TornTail other = kTail;
  ++other.offset;
  CHECK_FALSE(judge_log(kTorn + kStart, other).empty());
}

TEST_CASE("evidence: any other warning or error in a start's log is wrong") {
  const std::string level = GENERATE("warning", "error", "critical", "info");
  const std::string line = "2026-11-26T01:02:03.481Z " + level + " something is odd\n";
  CHECK(judge_log(kTorn + line + kStart, kTail).empty() == (level == "info"));
}

TEST_CASE("evidence: a start that loads another revision, or cuts more than the checker saw, is wrong") {
  Remains other = remains_with_tail();
  other.revision = 11;
  CHECK(judge_start(kTorn + kStart, other).size() == 1);
  Remains whole = remains_with_tail();
  whole.torn.reset();
  CHECK_FALSE(judge_start(kStart, whole).empty());
}

}  // namespace kv::crash
