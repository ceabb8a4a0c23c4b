// kvstore.v1.AdminService: status, waiting for a level, snapshots, the log.
#include <atomic>
#include <future>
#include <thread>

#include <catch2/catch.hpp>

#include "server/version.h"
#include "tests/server/admin_fixture.h"
#include "tests/support/disk_gate.h"
#include "tests/support/faulty_file_system.h"

using namespace kv;
using namespace std::chrono_literals;
using grpc::StatusCode;

TEST_CASE("admin: while the data is loaded every call says so, and carries nothing else") {
  AdminFixture f;
  CHECK(f.loading.status.error_code() == StatusCode::UNAVAILABLE);
  CHECK(f.loading.reason() == "LOADING");
}

TEST_CASE("admin: status tells who answers, since when, and how far each watermark is") {
  AdminFixture f({"--mode", "hybrid"});
  f.set("a", "1");
  f.set("b", "2");
  const auto reply = f.status();
  REQUIRE(reply.ok());
  const v1::GetStatusResponse& status = reply.response;
  CHECK(status.version() == kVersion);
  CHECK(status.instance_id().size() == 32);
  CHECK(status.start_time().seconds() > 1'700'000'000);
  CHECK(status.revision() == 2);
  CHECK(status.os_revision() == 2);
  CHECK(status.disk_revision() == 2);
  CHECK(status.snapshot_revision() == 0);
  CHECK(status.fallback_snapshots() == 0);
  CHECK(status.accepting_writes());
  CHECK(status.alarms_size() == 0);
  CHECK_FALSE(status.has_transition());
  CHECK(status.snapshots().taken() == 0);
  CHECK(status.snapshots().last_pause().nanos() == 0);

  REQUIRE(f.snapshot().ok());
  CHECK(f.status().response.snapshots().taken() == 1);
  CHECK(f.status().response.snapshots().failed() == 0);
  CHECK(f.status().response.snapshots().last_pause().nanos() > 0);
  CHECK(f.status().response.snapshot_revision() == 2);
  CHECK(f.status().response.fallback_snapshots() == 1);
  f.restart();
  const v1::GetStatusResponse again = f.status().response;
  CHECK(again.instance_id() == status.instance_id());
  CHECK(again.last_recovery().keys_loaded() == 2);
  CHECK(again.last_recovery().revision() == 2);
  CHECK(again.last_recovery().records_replayed() == 0);
  CHECK_FALSE(again.last_recovery().clean_shutdown());
  CHECK(again.last_recovery().has_duration());
}

TEST_CASE("admin: a busy writer's watermarks never go back, nor above the one before") {
  AdminFixture f({"--mode", "aof", "--fsync", "interval", "--fsync-interval", "1ms"});
  std::atomic<bool> stop{false};
  std::jthread writer([&] {
    const auto store = kvstore::KeyValueStore::NewStub(f.channel);
    kvstore::SetRequest request;
    request.set_key("k");
    google::protobuf::Empty empty;
    while (!stop) {
      grpc::ClientContext context;
      store->Set(&context, request, &empty);
    }
  });
  std::array<std::uint64_t, 3> before{};
  while (before[2] < 50) {
    const v1::GetStatusResponse status = f.status().response;
    const std::array<std::uint64_t, 3> now{status.revision(), status.os_revision(), status.disk_revision()};
    REQUIRE((now[0] >= now[1] && now[1] >= now[2]));
    REQUIRE((now[0] >= before[0] && now[1] >= before[1] && now[2] >= before[2]));
    before = now;
  }
  stop = true;
}

TEST_CASE("admin: a failed disk is an alarm, and nothing that needs the disk is begun") {
  FaultyFileSystem disk;
  AdminFixture f({"--mode", "aof"}, &disk);
  f.set("a", "1");
  disk.fail({.call = DiskCall::kSyncData, .path_part = ".aof"});
  f.set("b", "2", "os");
  CHECK(f.wait_durable(2, v1::DURABILITY_DISK).reason() == "NOT_DURABLE");
  const v1::GetStatusResponse status = f.status().response;
  CHECK_FALSE(status.accepting_writes());
  REQUIRE(status.alarms_size() == 1);
  CHECK(status.alarms(0) == "DISK_FAILED");
  CHECK(status.disk_revision() == 1);
  CHECK(f.wait_durable(1, v1::DURABILITY_DISK).ok());
  for (const bool wait : {true, false}) {
    CHECK(f.snapshot(wait).reason() == "WRITES_SUSPENDED");
    CHECK(f.rewrite(wait).reason() == "WRITES_SUSPENDED");
  }
}

TEST_CASE("admin: a wait for the disk ends when the revision is there, and not before") {
  FaultyFileSystem disk;
  DiskGate gate(disk, DiskCall::kSyncData, ".aof");
  AdminFixture f({"--mode", "aof"}, &disk);
  gate.close();
  f.set("k", "v", "os");
  CHECK(f.wait_durable(1, v1::DURABILITY_MEMORY).ok());
  CHECK(f.wait_durable(1, v1::DURABILITY_OS).ok());
  CHECK(f.status().response.disk_revision() == 0);
  auto disk_reached = std::async(std::launch::async, [&] { return f.wait_durable(0, v1::DURABILITY_DISK); });
  auto unset = std::async(std::launch::async, [&] { return f.wait_durable(1); });  // fsync always: the disk
  while (f.server->calls_in_flight() < 2) std::this_thread::yield();
  CHECK(f.status().response.disk_revision() == 0);
  gate.open();
  const auto reached = disk_reached.get();
  CHECK(reached.ok());
  CHECK(reached.response.revision() == 1);
  CHECK(unset.get().ok());
  CHECK(f.status().response.disk_revision() == 1);
}

TEST_CASE("admin: a wait leaves with its deadline and with its caller, and leaves nothing behind") {
  FaultyFileSystem disk;
  DiskGate gate(disk, DiskCall::kSyncData, ".aof");
  AdminFixture f({"--mode", "aof"}, &disk);
  gate.close();
  f.set("k", "v", "os");
  CHECK(f.wait_durable(1, v1::DURABILITY_DISK, 50ms).status.error_code() == StatusCode::DEADLINE_EXCEEDED);
  {
    grpc::ClientContext context;
    v1::WaitDurableRequest request;
    request.set_durability(v1::DURABILITY_DISK);
    v1::WaitDurableResponse response;
    auto call = std::async(std::launch::async, [&] { return f.stub->WaitDurable(&context, request, &response); });
    while (f.server->calls_in_flight() == 0) std::this_thread::yield();
    context.TryCancel();
    CHECK(call.get().error_code() == StatusCode::CANCELLED);
  }
  // The disk still hangs: only leaving ends these calls on the server.
  while (f.server->calls_in_flight() > 0) std::this_thread::yield();
  gate.open();
  CHECK(f.wait_durable(1, v1::DURABILITY_DISK).ok());
}

TEST_CASE("admin: a level that the mode does not give is refused, an unset one never is") {
  const auto refuses = [](AdminFixture& f, v1::Durability level) {
    const auto reply = f.wait_durable(0, level);
    return reply.status.error_code() == StatusCode::FAILED_PRECONDITION && reply.reason() == "DURABILITY_UNAVAILABLE";
  };
  for (const char* mode : {"non_persistent", "snapshot"}) {
    CAPTURE(mode);
    AdminFixture f({"--mode", mode});
    f.set("k", "v");
    CHECK(f.wait_durable(0).ok());
    CHECK(f.wait_durable(1, v1::DURABILITY_MEMORY).ok());
    CHECK(refuses(f, v1::DURABILITY_OS));
    CHECK(refuses(f, v1::DURABILITY_DISK));
  }
  // Under never, only who asks forces the disk.
  AdminFixture f({"--mode", "aof", "--fsync", "never"});
  f.set("k", "v");
  CHECK(f.wait_durable(0).ok());
  CHECK(f.wait_durable(0, v1::DURABILITY_OS).ok());
  CHECK(f.status().response.disk_revision() == 0);
  CHECK(f.wait_durable(0, v1::DURABILITY_DISK).ok());
  CHECK(f.status().response.disk_revision() == 1);
}

TEST_CASE("admin: a revision that no write was given cannot be waited for, and a level must be one") {
  AdminFixture f({"--mode", "aof"});
  f.set("k", "v");
  const auto future = f.wait_durable(2);
  CHECK(future.status.error_code() == StatusCode::OUT_OF_RANGE);
  CHECK(future.reason() == "REVISION_IN_FUTURE");
  CHECK(f.wait_durable(1, v1::DURABILITY_QUORUM).reason() == "DURABILITY_UNAVAILABLE");
  for (const int number : {5, 99, -1}) {
    const auto unknown = f.wait_durable(1, static_cast<v1::Durability>(number));
    CHECK(unknown.status.error_code() == StatusCode::INVALID_ARGUMENT);
    CHECK(unknown.reason() == "FIELD_INVALID");
  }
}

TEST_CASE("admin: a snapshot that is waited for is answered as the list then has it") {
  for (const char* mode : {"snapshot", "aof", "hybrid"}) {
    CAPTURE(mode);
    AdminFixture f({"--mode", mode});
    f.clock.advance(1234ms);
    f.set("a", "1");
    f.set("b", "2");
    const auto taken = f.snapshot();
    REQUIRE(taken.ok());
    const v1::SnapshotInfo& info = taken.response.snapshot();
    CHECK(info.name() == "0000000000000001.snap");
    CHECK(info.revision() == 2);
    CHECK(info.keys() == 2);
    CHECK(info.bytes() > 256);
    CHECK(info.digest().size() == 16);
    CHECK(info.create_time().seconds() == 1'700'000'001);
    CHECK(info.create_time().nanos() == 234'000'000);
    CHECK(info.verified());
    REQUIRE(f.list().response.snapshots_size() == 1);
    CHECK(f.list().response.snapshots(0).SerializeAsString() == info.SerializeAsString());
    CHECK(f.status().response.snapshot_revision() == 2);
  }
}

TEST_CASE("admin: a snapshot that nobody waits for is taken all the same") {
  AdminFixture f({"--mode", "snapshot"});
  f.set("a", "1");
  const auto begun = f.snapshot(false);
  REQUIRE(begun.ok());
  CHECK_FALSE(begun.response.has_snapshot());
  while (f.list().response.snapshots_size() == 0) std::this_thread::yield();
  CHECK(f.list().response.snapshots(0).revision() == 1);
}

TEST_CASE("admin: a snapshot or a rewrite in a mode without one is refused") {
  AdminFixture nothing({"--mode", "non_persistent"});
  AdminFixture dumps({"--mode", "snapshot"});
  for (const bool wait : {true, false}) {
    const auto refused = nothing.snapshot(wait);
    CHECK(refused.status.error_code() == StatusCode::FAILED_PRECONDITION);
    CHECK(refused.reason() == "DURABILITY_UNAVAILABLE");
    CHECK(nothing.rewrite(wait).reason() == "DURABILITY_UNAVAILABLE");
    CHECK(dumps.rewrite(wait).reason() == "DURABILITY_UNAVAILABLE");
  }
  CHECK(nothing.list().response.snapshots_size() == 0);
}

TEST_CASE("admin: a full disk refuses a snapshot as DISK_LIMIT, and the next one works") {
  FaultyFileSystem disk;
  AdminFixture f({"--mode", "snapshot"}, &disk);
  f.set("a", std::string(1 << 20, 'v'));
  disk.fail({.call = DiskCall::kWrite, .path_part = ".snap", .error_number = ENOSPC});
  const auto refused = f.snapshot();
  CHECK(refused.status.error_code() == StatusCode::RESOURCE_EXHAUSTED);
  CHECK(refused.reason() == "DISK_LIMIT");
  CHECK(f.status().response.alarms(0) == "SNAPSHOT_FAILED");
  CHECK(f.snapshot().ok());
  CHECK(f.status().response.alarms_size() == 0);
}

TEST_CASE("admin: a rewrite says what the log had before and after") {
  AdminFixture f({"--mode", "aof", "--log-segment-size", "1MiB"});
  for (int i = 0; i < 30; ++i) f.set("same", std::string(100'000, 'v'));
  const auto rewritten = f.rewrite();
  REQUIRE(rewritten.ok());
  CHECK(rewritten.response.bytes_before() > 3'000'000);
  CHECK(rewritten.response.bytes_after() < 1'100'000);
  const auto begun = f.rewrite(false);
  REQUIRE(begun.ok());
  CHECK(begun.response.bytes_before() >= rewritten.response.bytes_after());
  CHECK(begun.response.bytes_before() < 1'100'000);
  CHECK(begun.response.bytes_after() == 0);
}

TEST_CASE("admin: a call that waits for a snapshot leaves with its deadline, and a stop ends it") {
  FaultyFileSystem disk;
  std::promise<void> release;
  const std::shared_future<void> released(release.get_future());
  std::atomic<bool> armed{false};
  disk.on_call([&](DiskCall call, const std::string& path) {
    if (armed && call == DiskCall::kRename && path.ends_with(".snap.tmp")) released.wait();
  });
  AdminFixture f({"--mode", "snapshot"}, &disk);
  f.set("a", "1");
  armed = true;
  v1::CreateSnapshotRequest request;
  request.set_wait(true);
  const auto late = f.call(&AdminFixture::Stub::CreateSnapshot, request, 50ms);
  CHECK(late.status.error_code() == StatusCode::DEADLINE_EXCEEDED);
  while (f.server->calls_in_flight() > 0) std::this_thread::yield();

  auto parked = std::async(std::launch::async, [&] { return f.snapshot(); });
  while (f.server->calls_in_flight() == 0) std::this_thread::yield();
  f.service->abandon();
  CHECK(parked.get().reason() == "SHUTTING_DOWN");
  CHECK(f.snapshot().reason() == "SHUTTING_DOWN");
  release.set_value();
}

TEST_CASE("admin: bytes that are no message and fields that do not exist are refused, and nothing is done") {
  AdminFixture f({"--mode", "snapshot"});
  f.set("a", "1");
  const auto raw = [&](const std::string& method, const std::string& bytes) {
    return raw_call(f.channel, "/kvstore.v1.AdminService/" + method, bytes).status;
  };
  for (const char* method :
       {"GetStatus", "GetConfig", "UpdateConfig", "WaitDurable", "CreateSnapshot", "ListSnapshots", "RewriteLog"}) {
    CAPTURE(method);
    CHECK(raw(method, "\xff\xff\xff").error_message().starts_with("MESSAGE_INVALID"));
    const grpc::Status unknown = raw(method, "\xa0\x06\x01");  // field 100
    CHECK(unknown.error_code() == StatusCode::INVALID_ARGUMENT);
    CHECK(unknown.error_message().starts_with("FIELD_INVALID: field 100 of kvstore.v1."));
  }
  CHECK(raw("Backup", "").error_code() == StatusCode::UNIMPLEMENTED);
  CHECK(f.list().response.snapshots_size() == 0);
}
