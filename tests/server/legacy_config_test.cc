#include <limits>

#include <catch2/catch.hpp>

#include "core/error.h"
#include "tests/server/service_fixture.h"

using namespace kv;
using namespace std::chrono_literals;
using grpc::StatusCode;

TEST_CASE("old config: an all-default request selects SNAPSHOT with the defaults") {
  ServiceFixture f;
  const auto reply = f.config(0);
  REQUIRE(reply.ok());
  CHECK(reply.response.success());
  const auto changes = f.storage.changes();
  REQUIRE(changes.size() == 1);
  const SettingsChange& change = changes.front();
  CHECK(change.mode == Mode::kSnapshot);
  CHECK(change.snapshot_interval == 300s);
  CHECK(change.max_snapshots == 5);
  CHECK_FALSE(change.log_segment_bytes);
}

TEST_CASE("old config: each mode takes its own numbers, zero is the default, the others are left alone") {
  ServiceFixture f;
  REQUIRE(f.config(1, 7, 8, 4096).ok());
  REQUIRE(f.config(2, 60, 3, 0).ok());
  REQUIRE(f.config(3, 60, 3, 4096).ok());
  const auto changes = f.storage.changes();
  REQUIRE(changes.size() == 3);
  const auto& [aof, hybrid, none] = std::tie(changes[0], changes[1], changes[2]);
  CHECK(aof.mode == Mode::kAof);
  CHECK(aof.log_segment_bytes == 4096u);
  CHECK_FALSE(aof.snapshot_interval);
  CHECK_FALSE(aof.max_snapshots);
  CHECK(hybrid.mode == Mode::kHybrid);
  CHECK(hybrid.snapshot_interval == 60s);
  CHECK(hybrid.max_snapshots == 3u);
  CHECK(hybrid.log_segment_bytes == 10u << 20);
  CHECK(none.mode == Mode::kNonPersistent);
  CHECK_FALSE(none.snapshot_interval);
  CHECK_FALSE(none.log_segment_bytes);
}

TEST_CASE("D22: old config: a mode outside the enum is refused and changes nothing") {
  ServiceFixture f;
  for (const int mode : {4, -1, 1 << 30}) {
    const auto refused = f.config(mode);
    CHECK(refused.status.error_code() == StatusCode::INVALID_ARGUMENT);
    CHECK(refused.reason() == "CONFIG_INVALID");
  }
  CHECK(f.storage.changes().empty());
}

TEST_CASE("old config: negative numbers and numbers out of bounds are refused and change nothing") {
  ServiceFixture f;
  for (const auto& refused :
       {f.config(0, -1), f.config(0, 0, -5), f.config(1, 0, 0, -4096), f.config(0, 31536001), f.config(2, 0, 1001)}) {
    CHECK(refused.status.error_code() == StatusCode::INVALID_ARGUMENT);
    CHECK(refused.reason() == "CONFIG_INVALID");
  }
  CHECK(f.storage.changes().empty());
}

TEST_CASE("old config: a number out of bounds is told in the words of the request") {
  ServiceFixture f;
  CHECK_THAT(f.config(0, 31536001).status.error_message(), Catch::Contains("snapshot_interval is 31536001000 ms"));
  CHECK_THAT(f.config(2, 0, 1001).status.error_message(), Catch::Contains("max_snapshots is 1001"));
}

TEST_CASE("old config: every positive size of a log file is a size, and one beyond all disks is the largest") {
  ServiceFixture f;
  REQUIRE(f.config(1, 0, 0, 1).ok());
  REQUIRE(f.config(1, 0, 0, std::numeric_limits<std::int64_t>::max()).ok());
  const auto changes = f.storage.changes();
  REQUIRE(changes.size() == 2);
  CHECK(changes[0].log_segment_bytes == 1u);
  CHECK(changes[1].log_segment_bytes == kLogSegmentBounds.max);
}

TEST_CASE("old config: a switch that takes longer than the old client waits is answered as recorded and under way") {
  ServiceFixture f;
  std::function<void(absl::Status)> finish;
  f.storage.on_change = [&](auto done) { finish = std::move(done); };
  // Ours is answered after half a second; what a busy machine adds must not count.
  f.patience = 5s;
  const auto reply = f.config(1);
  REQUIRE(reply.ok());
  CHECK(reply.response.success());
  CHECK(reply.trailers.at("kvstore-transition") == "dual");
  finish(absl::OkStatus());  // Nobody waits for it any more.
  CHECK(f.set("k", "v").ok());
}

TEST_CASE("old config: a switch that is not on record in time is in doubt, never said to be under way") {
  ServiceFixture f;
  std::vector<std::function<void(absl::Status)>> told;
  f.storage.on_record = f.storage.on_change = [&](auto done) { told.push_back(std::move(done)); };
  f.patience = 20s;  // Ours ends it after 900 ms.
  const auto reply = f.config(1);
  CHECK(reply.status.error_code() == grpc::StatusCode::UNKNOWN);
  CHECK_THAT(reply.status.error_message(), Catch::StartsWith("OUTCOME_UNKNOWN"));
  CHECK_FALSE(reply.trailers.contains("kvstore-transition"));
  for (const auto& each : told) each(absl::OkStatus());  // Nobody waits for it any more.
  CHECK(f.set("k", "v").ok());
}

TEST_CASE("old config: a switch that was overtaken by a later one is a success, never ABORTED") {
  ServiceFixture f;
  f.storage.on_change = [](auto done) { done(error(Reason::kTransitionInProgress, "overtaken")); };
  const auto reply = f.config(1);
  CHECK(reply.ok());
  CHECK(reply.trailers.at("kvstore-transition") == "dual");
}

TEST_CASE("old config: a switch that failed says so") {
  ServiceFixture f;
  f.storage.on_change = [](auto done) { done(error(Reason::kDiskLimit, "no space for the log")); };
  const auto reply = f.config(1);
  CHECK(reply.status.error_code() == StatusCode::RESOURCE_EXHAUSTED);
  CHECK(reply.reason() == "DISK_LIMIT");
}

TEST_CASE("old config: it can be switched off") {
  ServiceFixture f({}, false);
  CHECK(f.config(0).status.error_code() == StatusCode::PERMISSION_DENIED);
  CHECK(f.storage.changes().empty());
  CHECK(f.set("k", "v").ok());
}
