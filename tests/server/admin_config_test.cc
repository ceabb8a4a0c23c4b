// kvstore.v1.AdminService: GetConfig and UpdateConfig.
#include <atomic>
#include <fstream>
#include <future>
#include <map>
#include <thread>

#include <catch2/catch.hpp>

#include "tests/server/admin_fixture.h"
#include "tests/support/faulty_file_system.h"

using namespace kv;
using namespace std::chrono_literals;
using grpc::StatusCode;

namespace {

using Update = v1::UpdateConfigRequest;

Update keep(std::uint32_t snapshots) {
  Update request;
  request.mutable_config()->set_max_snapshots(snapshots);
  return request;
}
Update to_mode(v1::PersistenceMode mode) {
  Update request;
  request.mutable_config()->set_mode(mode);
  return request;
}
Update masked(Update request, const std::string& path) {
  request.mutable_update_mask()->add_paths(path);
  return request;
}

std::map<std::string, v1::ConfigFieldInfo> fields_of(AdminFixture& f) {
  std::map<std::string, v1::ConfigFieldInfo> fields;
  const auto reply = f.get_config();
  for (const auto& field : reply.response.fields()) fields[field.path()] = field;
  return fields;
}

}  // namespace

TEST_CASE("admin config: what is in force, one field a setting") {
  AdminFixture f({"--mode", "aof", "--fsync", "interval", "--fsync-interval", "250ms", "--max-key-bytes", "1KiB"});
  const auto reply = f.get_config();
  REQUIRE(reply.ok());
  const v1::Config& config = reply.response.config();
  CHECK(config.mode() == v1::PERSISTENCE_MODE_AOF);
  CHECK(config.snapshot_interval().seconds() == 300);
  CHECK(config.max_snapshots() == 5);
  CHECK(config.log_segment_bytes() == 10 << 20);
  CHECK(config.fsync_policy() == v1::FSYNC_POLICY_INTERVAL);
  CHECK(config.fsync_interval().nanos() == 250'000'000);
  CHECK(config.snapshot_min_changes() == 1);
  CHECK(config.log_rewrite_growth_percent() == 100);
  CHECK(config.log_rewrite_min_bytes() == 64 << 20);
  CHECK(config.hybrid_log_from() == 2);
  CHECK(config.keep_past_generations() == 1);
  CHECK(config.max_key_bytes() == 1024);
  CHECK(config.max_entry_bytes() == (4 << 20) - (4 << 10));
  CHECK(config.max_message_bytes() == 8 << 20);
  CHECK(config.request_id_window().seconds() == 600);
  CHECK(config.request_id_max() == 1'000'000);
  CHECK(config.max_memory_bytes() == AdminFixture::kAutomaticMemory);
  CHECK(reply.response.config_version() == 1);
}

TEST_CASE("admin config: every field says where its value came from and whether it needs a restart") {
  TempDirectory directory;
  const std::string file = directory.file("server.toml");
  std::ofstream(file) << "max-snapshots = 7\nmax-entry-bytes = \"1MiB\"\n";
  AdminFixture f({"--mode", "snapshot", "--config", file}, nullptr, {{"KVSTORE_FSYNC", "never"}});
  REQUIRE(f.switch_to(v1::PERSISTENCE_MODE_AOF).ok());
  Update change;
  change.mutable_config()->mutable_snapshot_interval()->set_seconds(60);
  REQUIRE(f.update(change).ok());

  auto fields = fields_of(f);
  CHECK(fields.size() == 19);
  CHECK(fields["max_snapshots"].source() == v1::CONFIG_SOURCE_FILE);
  CHECK(fields["fsync_policy"].source() == v1::CONFIG_SOURCE_ENVIRONMENT);
  CHECK(fields["snapshot_interval"].source() == v1::CONFIG_SOURCE_RUNTIME);
  CHECK(fields["fsync_interval"].source() == v1::CONFIG_SOURCE_DEFAULT);
  CHECK(fields["max_entry_bytes"].source() == v1::CONFIG_SOURCE_FILE);
  CHECK(fields["max_key_bytes"].source() == v1::CONFIG_SOURCE_DEFAULT);
  for (const auto& [path, field] : fields) {
    const bool runs = path == "max_snapshots" || path == "max_memory_bytes";
    const bool starts = path.starts_with("max_") || path.starts_with("request_id_");
    CHECK(field.restart_required() == (starts && !runs));
  }
  // Given once, and not at this start: it stays, and nobody knows from where.
  f.restart({"--mode", "snapshot"});
  fields = fields_of(f);
  CHECK(f.get_config().response.config().max_snapshots() == 7);
  CHECK(fields["max_snapshots"].source() == v1::CONFIG_SOURCE_UNSPECIFIED);
  CHECK(fields["snapshot_interval"].source() == v1::CONFIG_SOURCE_RUNTIME);
  f.restart({"--mode", "snapshot", "--max-snapshots", "9"});
  CHECK(fields_of(f)["max_snapshots"].source() == v1::CONFIG_SOURCE_FLAG);
}

TEST_CASE("admin config: a change is in force with the answer, has a version, and survives a kill") {
  AdminFixture f({"--mode", "hybrid"});
  Update change = keep(9);
  change.mutable_config()->mutable_fsync_interval()->set_nanos(500'000'000);
  change.mutable_config()->set_fsync_policy(v1::FSYNC_POLICY_INTERVAL);
  change.mutable_config()->set_log_segment_bytes(2 << 20);
  change.mutable_config()->set_log_rewrite_growth_percent(50);
  change.mutable_config()->set_log_rewrite_min_bytes(1 << 20);
  change.mutable_config()->set_hybrid_log_from(3);
  change.mutable_config()->set_keep_past_generations(2);
  const auto reply = f.update(change);
  REQUIRE(reply.ok());
  CHECK(reply.response.config_version() == 2);
  CHECK(reply.response.config().max_snapshots() == 9);
  CHECK(reply.response.config().hybrid_log_from() == 3);
  CHECK(reply.response.config().keep_past_generations() == 2);
  CHECK_FALSE(reply.response.has_transition());
  CHECK(reply.response.warnings_size() == 0);
  f.restart({"--mode", "hybrid"});
  const v1::GetConfigResponse stored = f.get_config().response;
  CHECK(stored.config().SerializeAsString() == reply.response.config().SerializeAsString());
  CHECK(stored.config_version() == 2);
}

TEST_CASE("admin config: what GetConfig gave can be sent back with one field changed") {
  AdminFixture f;
  const v1::GetConfigResponse before = f.get_config().response;
  Update change;
  *change.mutable_config() = before.config();
  change.set_expected_config_version(before.config_version());
  REQUIRE(f.update(change).ok());
  CHECK(f.get_config().response.config_version() == before.config_version());
  change.mutable_config()->set_max_snapshots(8);
  REQUIRE(f.update(change).ok());
  CHECK(f.get_config().response.config().max_snapshots() == 8);
  // The second writer with the same version comes too late.
  change.mutable_config()->set_max_snapshots(3);
  const auto late = f.update(change);
  CHECK(late.status.error_code() == StatusCode::ABORTED);
  CHECK(late.reason() == "CONFIG_VERSION_MISMATCH");
  CHECK(f.get_config().response.config().max_snapshots() == 8);
}

TEST_CASE("admin config: a mask picks fields, zero ones too, and leaves the others alone") {
  AdminFixture f;
  Update change = keep(9);
  change.mutable_config()->set_log_segment_bytes(5 << 20);
  REQUIRE(f.update(masked(change, "max_snapshots")).ok());
  CHECK(f.get_config().response.config().max_snapshots() == 9);
  CHECK(f.get_config().response.config().log_segment_bytes() == 10 << 20);
  REQUIRE(f.update(masked(Update(), "snapshot_min_changes")).ok());
  CHECK(f.get_config().response.config().snapshot_min_changes() == 0);
}

TEST_CASE("admin config: bad requests are refused with the field, and change nothing") {
  AdminFixture f;
  const std::string before = f.get_config().response.SerializeAsString();
  const auto refused = [&](const Update& request, const std::string& reason, const std::string& names) {
    const auto reply = f.update(request);
    INFO(reply.status.error_message());
    CHECK(reply.status.error_code() == StatusCode::INVALID_ARGUMENT);
    CHECK(reply.reason() == reason);
    CHECK(reply.status.error_message().find(names) != std::string::npos);
  };
  refused(masked(keep(3), "max_snapshot"), "FIELD_INVALID", "'max_snapshot'");
  refused(masked(keep(3), "config.max_snapshots"), "FIELD_INVALID", "update_mask");
  refused(masked(keep(3), ""), "FIELD_INVALID", "update_mask");
  refused(Update(), "FIELD_INVALID", "no setting");
  refused(keep(1001), "CONFIG_INVALID", "max-snapshots is 1001");
  refused(masked(keep(0), "max_snapshots"), "CONFIG_INVALID", "max-snapshots is 0");
  refused(to_mode(static_cast<v1::PersistenceMode>(9)), "CONFIG_INVALID", "config.mode");
  refused(masked(Update(), "mode"), "CONFIG_INVALID", "config.mode");
  refused(masked(Update(), "fsync_policy"), "CONFIG_INVALID", "config.fsync_policy");
  const auto interval = [](std::int64_t seconds, std::int32_t nanos) {
    Update request;
    request.mutable_config()->mutable_snapshot_interval()->set_seconds(seconds);
    request.mutable_config()->mutable_snapshot_interval()->set_nanos(nanos);
    return request;
  };
  refused(interval(0, 999'000'000), "CONFIG_INVALID", "snapshot-interval is 999 ms");
  refused(interval(-5, 0), "CONFIG_INVALID", "config.snapshot_interval");
  refused(interval(5, 1), "CONFIG_INVALID", "whole milliseconds");
  refused(interval(5, 2'000'000'000), "CONFIG_INVALID", "config.snapshot_interval");
  refused(interval(INT64_MAX, 0), "CONFIG_INVALID", "config.snapshot_interval");
  Update unknown = keep(3);
  unknown.set_wait_for(v1::TRANSITION_PHASE_DUAL);
  refused(unknown, "FIELD_INVALID", "wait_for");
  Update disabling = to_mode(v1::PERSISTENCE_MODE_AOF);
  disabling.set_snapshot_before_disabling(true);
  refused(disabling, "FIELD_INVALID", "snapshot_before_disabling");
  // A field whose feature is not built: max_disk_bytes.
  Update absent = keep(3);
  absent.mutable_config()->GetReflection()->MutableUnknownFields(absent.mutable_config())->AddVarint(10, 1 << 30);
  refused(absent, "FIELD_INVALID", "field config.10");
  CHECK(f.get_config().response.SerializeAsString() == before);
}

TEST_CASE("admin config: settings that need a restart say so") {
  AdminFixture f;
  for (const char* path :
       {"max_key_bytes", "max_entry_bytes", "max_message_bytes", "request_id_window", "request_id_max"}) {
    const auto refused = f.update(masked(Update(), path));
    CHECK(refused.status.error_code() == StatusCode::FAILED_PRECONDITION);
    CHECK(refused.reason() == "CONFIG_RESTART_REQUIRED");
  }
  Update change = keep(3);
  change.mutable_config()->set_max_key_bytes(1);
  CHECK(f.update(change).reason() == "CONFIG_RESTART_REQUIRED");
  CHECK(f.get_config().response.config().max_snapshots() == 5);
}

TEST_CASE("admin config: a check without a change says what would be, and warns") {
  AdminFixture f({"--mode", "hybrid"});
  Update check = to_mode(v1::PERSISTENCE_MODE_NON_PERSISTENT);
  check.mutable_config()->set_log_segment_bytes(4096);
  check.set_validate_only(true);
  const auto reply = f.update(check);
  REQUIRE(reply.ok());
  CHECK(reply.response.config().mode() == v1::PERSISTENCE_MODE_NON_PERSISTENT);
  CHECK(reply.response.config().log_segment_bytes() == 4096);
  CHECK(reply.response.config_version() == 1);
  CHECK(reply.response.warnings_size() == 3);
  CHECK(f.get_config().response.config().mode() == v1::PERSISTENCE_MODE_HYBRID);
  CHECK_FALSE(f.status().response.has_transition());
  check.set_expected_config_version(7);
  CHECK(f.update(check).reason() == "CONFIG_VERSION_MISMATCH");
}

TEST_CASE("admin config: a switch that is waited for is in force, all twelve ways") {
  const auto modes = {v1::PERSISTENCE_MODE_NON_PERSISTENT, v1::PERSISTENCE_MODE_SNAPSHOT, v1::PERSISTENCE_MODE_AOF,
                      v1::PERSISTENCE_MODE_HYBRID};
  for (const auto from : modes) {
    AdminFixture f({"--mode", v1::PersistenceMode_Name(from).substr(17)});
    f.set("k", "v");
    std::uint64_t version = f.get_config().response.config_version();
    for (const auto to : modes) {
      if (from == to) continue;
      CAPTURE(from, to);
      const auto there = f.switch_to(to);
      REQUIRE(there.ok());
      CHECK(there.response.config().mode() == to);
      CHECK(there.response.config_version() == ++version);
      CHECK(there.response.transition().from() == from);
      CHECK(there.response.transition().to() == to);
      CHECK(there.response.transition().phase() == v1::TRANSITION_PHASE_ACTIVE);
      CHECK(there.response.transition().progress() == 1);
      REQUIRE(f.switch_to(from).ok());
      ++version;
    }
  }
}

TEST_CASE(
    "admin config: meanwhile another switch is refused, the same one is the same, and the first answer is early") {
  FaultyFileSystem disk;
  AdminFixture f({"--mode", "snapshot"}, &disk);
  f.set("k", "v");
  std::promise<void> held, release;
  const std::shared_future<void> released(release.get_future());
  std::atomic<bool> armed{true};
  disk.on_call([&](DiskCall call, const std::string& path) {
    if (call != DiskCall::kRename || !path.ends_with(".snap.tmp") || !armed.exchange(false)) return;
    held.set_value();
    released.wait();
  });
  const auto accepted = f.switch_to(v1::PERSISTENCE_MODE_AOF, v1::TRANSITION_PHASE_ACCEPTED);
  REQUIRE(accepted.ok());
  CHECK(accepted.response.config().mode() == v1::PERSISTENCE_MODE_SNAPSHOT);
  held.get_future().get();  // The base is written, and does not count yet.
  CHECK(f.status().response.transition().phase() == v1::TRANSITION_PHASE_DUAL);
  CHECK(f.status().response.transition().to() == v1::PERSISTENCE_MODE_AOF);
  CHECK(f.wait_durable(1, v1::DURABILITY_DISK).reason() == "DURABILITY_UNAVAILABLE");

  for (const Update& other : {to_mode(v1::PERSISTENCE_MODE_HYBRID), keep(3)}) {
    const auto refused = f.update(other);
    CHECK(refused.status.error_code() == StatusCode::ABORTED);
    CHECK(refused.reason() == "TRANSITION_IN_PROGRESS");
  }
  CHECK(f.switch_to(v1::PERSISTENCE_MODE_AOF, v1::TRANSITION_PHASE_ACCEPTED).ok());
  auto active = std::async(std::launch::async, [&] { return f.switch_to(v1::PERSISTENCE_MODE_AOF); });
  while (f.server->calls_in_flight() == 0) std::this_thread::yield();
  release.set_value();
  const auto there = active.get();
  REQUIRE(there.ok());
  CHECK(there.response.config().mode() == v1::PERSISTENCE_MODE_AOF);
  CHECK(there.response.config_version() == 2);
  CHECK(there.response.transition().base_revision() == 1);
  CHECK(f.wait_durable(1, v1::DURABILITY_DISK).ok());
  CHECK(f.switch_to(v1::PERSISTENCE_MODE_AOF).ok());  // Once more is no change.
  CHECK(f.get_config().response.config_version() == 2);
}

TEST_CASE("admin config: a switch that fails says why, and the old mode stands") {
  FaultyFileSystem disk;
  AdminFixture f({"--mode", "non_persistent"}, &disk);
  f.set("k", "v");
  disk.fail({.call = DiskCall::kWrite, .path_part = ".snap", .error_number = ENOSPC, .from_then_on = true});
  const auto failed = f.switch_to(v1::PERSISTENCE_MODE_AOF);
  CHECK(failed.status.error_code() == StatusCode::RESOURCE_EXHAUSTED);
  CHECK(failed.reason() == "DISK_LIMIT");
  const v1::GetStatusResponse status = f.status().response;
  CHECK(status.transition().phase() == v1::TRANSITION_PHASE_FAILED);
  CHECK(status.transition().to() == v1::PERSISTENCE_MODE_AOF);
  CHECK_FALSE(status.transition().detail().empty());
  CHECK(status.disk_revision() == 0);
  CHECK(f.get_config().response.config().mode() == v1::PERSISTENCE_MODE_NON_PERSISTENT);
  CHECK(f.get_config().response.config_version() == 1);
  disk.heal();
  CHECK(f.switch_to(v1::PERSISTENCE_MODE_AOF).ok());
}

TEST_CASE("admin config: a last snapshot can be taken before nothing is kept any more") {
  AdminFixture f({"--mode", "aof"});
  f.set("k", "v");
  Update request = to_mode(v1::PERSISTENCE_MODE_NON_PERSISTENT);
  request.set_wait_for(v1::TRANSITION_PHASE_ACTIVE);
  request.set_snapshot_before_disabling(true);
  const auto reply = f.update(request);
  REQUIRE(reply.ok());
  CHECK(reply.response.warnings(0).find("past files") != std::string::npos);
  CHECK(f.status().response.snapshot_revision() == 1);
  CHECK(f.storage->status().snapshots_taken == 1);
  CHECK(f.list().response.snapshots_size() == 0);
}

TEST_CASE("admin config: a limit of memory that was chosen for us stays so when it comes back as it was shown") {
  AdminFixture f({"--mode", "aof"});
  Update back;
  *back.mutable_config() = f.get_config().response.config();
  back.mutable_config()->set_max_snapshots(9);
  REQUIRE(f.update(back).ok());
  CHECK(fields_of(f)["max_memory_bytes"].source() == v1::CONFIG_SOURCE_DEFAULT);
  CHECK(f.storage->status().settings.max_memory_bytes == 0);

  Update chosen;
  chosen.mutable_config()->set_max_memory_bytes(256 << 20);
  CHECK(f.update(chosen).response.config().max_memory_bytes() == 256 << 20);
  CHECK(fields_of(f)["max_memory_bytes"].source() == v1::CONFIG_SOURCE_RUNTIME);
  f.restart({"--mode", "aof"});
  CHECK(f.get_config().response.config().max_memory_bytes() == 256 << 20);

  CHECK(f.update(masked(Update(), "max_memory_bytes")).response.config().max_memory_bytes() ==
        AdminFixture::kAutomaticMemory);
  chosen.mutable_config()->set_max_memory_bytes(4096);
  const auto refused = f.update(chosen);
  CHECK(refused.reason() == "CONFIG_INVALID");
  CHECK(refused.status.error_message().find("max-memory is 4096") != std::string::npos);
}

TEST_CASE("admin config: the level of the log and the threshold of slow calls change while it runs, and stay") {
  AdminFixture f({"--mode", "aof", "--log-level", "warning"});
  CHECK(f.get_config().response.config().log_level() == v1::LOG_LEVEL_WARNING);
  CHECK(f.get_config().response.config().slow_request_threshold().nanos() == 10'000'000);
  Update change;
  change.mutable_config()->set_log_level(v1::LOG_LEVEL_DEBUG);
  change.mutable_config()->mutable_slow_request_threshold()->set_seconds(2);
  REQUIRE(f.update(change).ok());
  CHECK(f.storage->status().settings.log_level == LogLevel::kDebug);
  CHECK(f.storage->status().settings.slow_threshold == std::chrono::seconds(2));
  f.restart({"--mode", "aof", "--log-level", "warning"});
  CHECK(f.get_config().response.config().log_level() == v1::LOG_LEVEL_DEBUG);
  CHECK(fields_of(f)["log_level"].source() == v1::CONFIG_SOURCE_RUNTIME);
  change.mutable_config()->set_log_level(static_cast<v1::LogLevel>(9));
  CHECK(f.update(change).reason() == "CONFIG_INVALID");
  change.mutable_config()->set_log_level(v1::LOG_LEVEL_INFO);
  change.mutable_config()->mutable_slow_request_threshold()->set_seconds(7200);
  CHECK(f.update(change).reason() == "CONFIG_INVALID");
  CHECK(f.storage->status().settings.log_level == LogLevel::kDebug);
}
