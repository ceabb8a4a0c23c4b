// The commands of the admin service: status, snapshot, snapshots, rewrite-log, config get and config set.
#include <catch2/catch.hpp>

#include "client/cli/admin_settings.h"
#include "core/absl_text.h"
#include "tests/client/desk.h"
#include "tests/client/fake_server.h"

using namespace kv;
using Words = std::vector<std::string>;
namespace v1 = kvstore::v1;

namespace {

void fill_status(FakeAdmin& admin) {
  v1::GetStatusResponse& status = admin.status;
  status.set_version("9.9");
  status.set_instance_id("00ff");
  status.mutable_start_time()->set_seconds(1'700'000'000);
  status.set_revision(9);
  status.set_os_revision(8);
  status.set_disk_revision(7);
  status.set_snapshot_revision(3);
  status.add_alarms("DISK_FULL");
  status.add_alarms("SNAPSHOT_FAILED");
  status.mutable_snapshots()->set_taken(5);
  status.mutable_snapshots()->set_failed(1);
  status.mutable_snapshots()->mutable_last_duration()->set_seconds(2);
  status.mutable_snapshots()->mutable_last_pause()->set_nanos(750'000);
  status.mutable_snapshots()->set_last_copied_bytes(8192);
  status.mutable_transition()->set_from(v1::PERSISTENCE_MODE_AOF);
  status.mutable_transition()->set_to(v1::PERSISTENCE_MODE_HYBRID);
  status.mutable_transition()->set_phase(v1::TRANSITION_PHASE_DUAL);
  status.mutable_transition()->set_progress(0.5);
  status.mutable_last_recovery()->set_keys_loaded(4);
  status.mutable_last_recovery()->mutable_duration()->set_nanos(12'000'000);
  admin.config.mutable_config()->set_mode(v1::PERSISTENCE_MODE_AOF);
}

v1::SnapshotInfo some_snapshot() {
  v1::SnapshotInfo info;
  info.set_name("0000000000000007.snap");
  info.set_revision(42);
  info.set_keys(3);
  info.set_bytes(400);
  info.set_digest(std::string("\x01\xab", 2));
  info.mutable_create_time()->set_seconds(1'700'000'000);
  info.set_verified(true);
  return info;
}

void add_field(FakeAdmin& admin, const std::string& path, v1::ConfigSource source, bool restart = false) {
  v1::ConfigFieldInfo* field = admin.config.add_fields();
  field->set_path(path);
  field->set_source(source);
  field->set_restart_required(restart);
}

void fill_config(FakeAdmin& admin) {
  v1::Config& config = *admin.config.mutable_config();
  config.set_mode(v1::PERSISTENCE_MODE_AOF);
  config.set_fsync_policy(v1::FSYNC_POLICY_INTERVAL);
  config.mutable_snapshot_interval()->set_seconds(90);
  config.set_log_segment_bytes(10 << 20);
  config.set_log_rewrite_growth_percent(150);
  config.set_max_key_bytes(1024);
  admin.config.set_config_version(6);
  add_field(admin, "max_key_bytes", v1::CONFIG_SOURCE_FLAG, true);
  add_field(admin, "mode", v1::CONFIG_SOURCE_RUNTIME);
  add_field(admin, "fsync_policy", v1::CONFIG_SOURCE_ENVIRONMENT);
  add_field(admin, "snapshot_interval", v1::CONFIG_SOURCE_DEFAULT);
  add_field(admin, "log_segment_bytes", v1::CONFIG_SOURCE_UNSPECIFIED);
  add_field(admin, "log_rewrite_growth_percent", v1::CONFIG_SOURCE_FILE);
  add_field(admin, "of_a_newer_server", v1::CONFIG_SOURCE_FLAG);
}

v1::UpdateConfigRequest asked(const Words& words) {
  const auto request = parse_config_set(words);
  CAPTURE(request.status().ToString());
  REQUIRE(request.ok());
  return *request;
}

std::string refused(const Words& words) {
  const auto request = parse_config_set(words);
  REQUIRE_FALSE(request.ok());
  return std::string(message_of(request.status()));
}

}  // namespace

TEST_CASE("client: status shows everything by name, for people, scripts and shells") {
  FakeServer server;
  fill_status(server.admin);
  Desk desk(server.target());
  CHECK(desk.type("status") == ExitCode::kDone);
  CHECK(desk.out ==
        "version: 9.9\ninstance id: 00ff\nstart time: 2023-11-14T22:13:20Z\nmode: AOF\naccepting writes: no\n"
        "alarms: DISK_FULL, SNAPSHOT_FAILED\nrevision: 9\nos revision: 8\ndisk revision: 7\nsnapshot revision: 3\n"
        "snapshots taken: 5\nsnapshots failed: 1\nsnapshots last milliseconds: 2000\n"
        "snapshots last pause microseconds: 750\nsnapshots last copied bytes: 8192\n"
        "transition from: AOF\ntransition to: HYBRID\ntransition phase: DUAL\ntransition progress: 0.5\n"
        "transition base revision: 0\nlast recovery clean shutdown: no\nlast recovery revision: 0\n"
        "last recovery keys loaded: 4\nlast recovery records replayed: 0\nlast recovery tail bytes discarded: 0\n"
        "last recovery milliseconds: 12\nlast recovery files skipped: none\n");
  Desk json(server.target(), {.format = OutputFormat::kJson});
  json.type("status");
  CHECK(json.out ==
        R"({"version":"9.9","instance_id":"00ff","start_time":"2023-11-14T22:13:20Z","mode":"AOF",)"
        R"("accepting_writes":false,"alarms":["DISK_FULL","SNAPSHOT_FAILED"],"revision":9,"os_revision":8,)"
        R"("disk_revision":7,"snapshot_revision":3,"snapshots":{"taken":5,"failed":1,"last_milliseconds":2000,)"
        R"("last_pause_microseconds":750,"last_copied_bytes":8192},)"
        R"("transition":{"from":"AOF","to":"HYBRID","phase":"DUAL",)"
        R"("progress":0.5,"base_revision":0},"last_recovery":{"clean_shutdown":false,"revision":0,"keys_loaded":4,)"
        R"("records_replayed":0,"tail_bytes_discarded":0,"milliseconds":12,"files_skipped":[]}})"
        "\n");
  Desk raw(server.target(), {.format = OutputFormat::kRaw});
  raw.type("status");
  CHECK(raw.out.find("disk_revision=7\n") != std::string::npos);
  CHECK(raw.out.find("last_recovery.keys_loaded=4\n") != std::string::npos);
}

TEST_CASE("client: what a server sends cannot control the terminal, and a time of no year is still shown") {
  FakeServer server;
  server.admin.status.set_version("\x1b[2J");
  server.admin.status.mutable_start_time()->set_seconds(INT64_MAX);
  Desk desk(server.target());
  CHECK(desk.type("status") == ExitCode::kDone);
  CHECK(desk.out.find('\x1b') == std::string::npos);
  CHECK(desk.out.find("start time: 9223372036854775807\n") != std::string::npos);
}

TEST_CASE("client: a snapshot is named when it counts, and only begun with --no-wait") {
  FakeServer server;
  *server.admin.snapshot.mutable_snapshot() = some_snapshot();
  Desk desk(server.target());
  CHECK(desk.type("snapshot") == ExitCode::kDone);
  CHECK(desk.out == "Snapshot 0000000000000007.snap at revision 42: 3 keys, 400 bytes\n");
  CHECK(server.admin.asked_to_wait);
  Desk raw(server.target(), {.format = OutputFormat::kRaw});
  raw.type("snapshot");
  CHECK(raw.out == "0000000000000007.snap\n");
  Desk json(server.target(), {.format = OutputFormat::kJson});
  json.type("snapshot");
  CHECK(json.out == R"({"name":"0000000000000007.snap","revision":42,"create_time":"2023-11-14T22:13:20Z","keys":3,)"
                    R"("bytes":400,"digest":"01ab","verified":true})"
                    "\n");
  server.admin.snapshot.Clear();
  CHECK(desk.type("snapshot --no-wait") == ExitCode::kDone);
  CHECK(desk.out == "Snapshot begun\n");
  CHECK_FALSE(server.admin.asked_to_wait);
  json.type("snapshot --no-wait");
  CHECK(json.out == "{\"complete\":false}\n");
}

TEST_CASE("client: snapshots are listed one a line, and none is said") {
  FakeServer server;
  Desk desk(server.target());
  desk.type("snapshots");
  CHECK(desk.out == "No snapshots\n");
  *server.admin.snapshots.add_snapshots() = some_snapshot();
  *server.admin.snapshots.add_snapshots() = some_snapshot();
  server.admin.snapshots.mutable_snapshots(0)->set_name("a\x1b");
  server.admin.snapshots.mutable_snapshots(0)->set_verified(false);
  desk.type("snapshots");
  CHECK(desk.out.find('\x1b') == std::string::npos);
  CHECK(desk.out.ends_with("0000000000000007.snap  revision 42  3 keys  400 bytes  2023-11-14T22:13:20Z  verified\n"));
  Desk raw(server.target(), {.format = OutputFormat::kRaw});
  raw.type("snapshots");
  CHECK(raw.out == "a\x1b\n0000000000000007.snap\n");
}

TEST_CASE("client: rewrite-log says what the log had before and after") {
  FakeServer server;
  server.admin.rewritten.set_bytes_before(900);
  server.admin.rewritten.set_bytes_after(100);
  Desk desk(server.target());
  CHECK(desk.type("rewrite-log") == ExitCode::kDone);
  CHECK(desk.out == "Log rewritten: 900 bytes before, 100 after\n");
  CHECK(server.admin.asked_to_wait);
  CHECK(desk.type("rewrite-log --no-wait") == ExitCode::kDone);
  CHECK(desk.out == "Log rewrite begun: 900 bytes before\n");
  CHECK_FALSE(server.admin.asked_to_wait);
  Desk json(server.target(), {.format = OutputFormat::kJson});
  json.type("rewrite-log");
  CHECK(json.out == "{\"complete\":true,\"bytes_before\":900,\"bytes_after\":100}\n");
}

TEST_CASE("client: config get shows every setting as it is typed, with its source") {
  FakeServer server;
  fill_config(server.admin);
  Desk desk(server.target());
  CHECK(desk.type("config get") == ExitCode::kDone);
  CHECK(desk.out ==
        "mode = AOF (run time)\nsnapshot-interval = 90s (default)\nlog-segment-size = 10MiB (earlier start)\n"
        "fsync = interval (environment)\nlog-rewrite-growth = 150% (file)\n"
        "max-key-bytes = 1KiB (flag, needs a restart)\nversion 6\n");
  desk.type("config GET fsync Snapshot_Interval");
  CHECK(desk.out == "snapshot-interval = 90s (default)\nfsync = interval (environment)\n");
  Desk raw(server.target(), {.format = OutputFormat::kRaw});
  raw.type("config get fsync");
  CHECK(raw.out == "interval\n");
  raw.type("config get fsync mode");
  CHECK(raw.out == "mode=AOF\nfsync=interval\n");
  Desk json(server.target(), {.format = OutputFormat::kJson});
  json.type("config get max-key-bytes");
  CHECK(json.out == R"({"name":"max-key-bytes","value":"1KiB","source":"flag","restart_required":true})"
                    "\n");
}

TEST_CASE("client: config set asks for exactly what was typed") {
  const v1::UpdateConfigRequest all =
      asked({"mode=non-persistent", "snapshot-interval=1500ms", "max-snapshots=3", "log-segment-size=1MiB",
             "fsync=Never", "log_rewrite_growth=50%", "snapshot-min-changes=0", "max-memory=2GiB", "hybrid-log-from=3",
             "keep-past-generations=0"});
  CHECK(all.config().mode() == v1::PERSISTENCE_MODE_NON_PERSISTENT);
  CHECK(all.config().snapshot_interval().seconds() == 1);
  CHECK(all.config().snapshot_interval().nanos() == 500'000'000);
  CHECK(all.config().max_snapshots() == 3);
  CHECK(all.config().log_segment_bytes() == 1 << 20);
  CHECK(all.config().fsync_policy() == v1::FSYNC_POLICY_NEVER);
  CHECK(all.config().log_rewrite_growth_percent() == 50);
  CHECK(all.config().max_memory_bytes() == std::uint64_t{2} << 30);
  CHECK(all.config().hybrid_log_from() == 3);
  CHECK(all.update_mask().paths_size() == 10);  // Zero is asked for too.
  CHECK(all.wait_for() == v1::TRANSITION_PHASE_ACCEPTED);
  CHECK_FALSE(all.validate_only());
  const v1::UpdateConfigRequest options =
      asked({"--check", "mode=aof", "--wait", "--if-version", "6", "--snapshot-first"});
  CHECK(options.validate_only());
  CHECK(options.wait_for() == v1::TRANSITION_PHASE_ACTIVE);
  CHECK(options.expected_config_version() == 6);
  CHECK(options.snapshot_before_disabling());
  const v1::UpdateConfigRequest automatic = asked({"max-memory=auto"});
  CHECK(automatic.config().max_memory_bytes() == 0);
  CHECK(automatic.update_mask().paths(0) == "max_memory_bytes");
}

TEST_CASE("client: config set refuses what it does not understand, and makes no call") {
  CHECK(refused({}).starts_with("Usage: config set <name>=<value>..."));
  CHECK(refused({"--check"}).starts_with("Usage: config set"));
  CHECK(refused({"mode"}).starts_with("Usage: config set"));
  CHECK(refused({"--chek", "mode=aof"}).starts_with("Usage: config set"));
  CHECK(refused({"moode=aof"}).starts_with("Unknown setting moode. Settings: mode, snapshot-interval, "));
  CHECK(refused({"mode=redis"}) == "mode must be one of NON_PERSISTENT, SNAPSHOT, AOF, HYBRID, not redis");
  CHECK(refused({"mode=unspecified"}).starts_with("mode must be one of"));
  CHECK(refused({"fsync="}).starts_with("fsync must be one of always, interval, never, not"));
  CHECK(refused({"snapshot-interval=60"}) == "snapshot-interval must be a duration such as 90s or 5m, not 60");
  CHECK(refused({"max-snapshots=4294967296"}) == "max-snapshots must be a number, not 4294967296");
  CHECK(refused({"max-memory=much"}) == "max-memory must be a size such as 512KiB or 10MiB, not much");
  CHECK(refused({"max-snapshots=-1"}).starts_with("max-snapshots must be a number"));
  CHECK(refused({"log-rewrite-growth=%"}).starts_with("log-rewrite-growth must be a number"));
  CHECK(refused({"log-segment-size=ten"}).starts_with("log-segment-size must be a size"));
  CHECK(refused({"mode=aof", "MODE=aof"}) == "mode is given twice");
  CHECK(refused({"mode=aof", "--if-version"}).starts_with("--if-version takes"));
  CHECK(refused({"mode=aof", "--if-version", "0"}).starts_with("--if-version takes"));
  FakeServer server;
  Desk desk(server.target());
  for (const char* line : {"config set", "config set mode=redis", "config get nothing", "snapshot now",
                           "rewrite-log --wait", "status x", "snapshots all"}) {
    CAPTURE(line);
    CHECK(desk.type(line) == ExitCode::kUsage);
    CHECK_FALSE(desk.error.empty());
    CHECK(desk.out.empty());
  }
  CHECK(server.admin.calls == 0);
}

TEST_CASE("client: config set tells warnings, and whether the change is still under way or has failed") {
  FakeServer server;
  Desk desk(server.target());
  server.admin.updated.set_config_version(7);
  server.admin.updated.add_warnings("HYBRID keeps at least two snapshots");
  CHECK(desk.type("config set max-snapshots=1") == ExitCode::kDone);
  CHECK(desk.out == "Config operation successful\n");
  CHECK(desk.error == "Warning: HYBRID keeps at least two snapshots\n");
  server.admin.updated.clear_warnings();
  v1::ModeTransition& transition = *server.admin.updated.mutable_transition();
  transition.set_to(v1::PERSISTENCE_MODE_AOF);
  transition.set_phase(v1::TRANSITION_PHASE_DUAL);
  desk.type("config set mode=aof");
  CHECK(desk.error == "The change is recorded and goes on in the background\n");
  transition.set_phase(v1::TRANSITION_PHASE_ACTIVE);
  desk.type("config set mode=aof --wait");
  CHECK(desk.error.empty());
  CHECK(server.admin.asked_update.wait_for() == v1::TRANSITION_PHASE_ACTIVE);
  transition.set_phase(v1::TRANSITION_PHASE_FAILED);
  transition.set_detail("no space");
  desk.type("config set mode=aof");
  CHECK(desk.error == "The switch failed: no space\n");
  server.admin.updated.clear_transition();
  desk.type("config set mode=aof --check");
  CHECK(desk.out == "Config could be changed\n");
  Desk json(server.target(), {.format = OutputFormat::kJson});
  json.type("config set mode=aof --check");
  CHECK(json.out == R"({"applied":false,"config_version":7,"mode":"UNSPECIFIED","warnings":[]})"
                    "\n");
}

TEST_CASE("client: each admin command that fails says so, and ends with the code of its kind") {
  FakeServer server;
  Desk desk(server.target());
  const std::pair<grpc::Status, ExitCode> kinds[] = {
      {{grpc::StatusCode::FAILED_PRECONDITION, "DURABILITY_UNAVAILABLE: there is no log"}, ExitCode::kRefused},
      {{grpc::StatusCode::ABORTED, "TRANSITION_IN_PROGRESS: wait"}, ExitCode::kRefused},
      {{grpc::StatusCode::UNAVAILABLE, "LOADING: half"}, ExitCode::kRefused},
      {{grpc::StatusCode::INVALID_ARGUMENT, "CONFIG_INVALID: no"}, ExitCode::kUsage},
      {{grpc::StatusCode::UNIMPLEMENTED, ""}, ExitCode::kFailed},
  };
  for (const auto& [answer, code] : kinds) {
    server.admin.answer = answer;
    for (const auto& [line, verb] : {std::pair{"status", "Status"},
                                     {"snapshot", "Snapshot"},
                                     {"snapshots", "Snapshots"},
                                     {"rewrite-log", "Rewrite"},
                                     {"config get", "Config"},
                                     {"config set mode=aof", "Config"}}) {
      CAPTURE(line);
      CHECK(desk.type(line) == code);
      CHECK(desk.error.starts_with(std::string(verb) + " failed: " + answer.error_message()));
      CHECK(desk.out.empty());
    }
  }
}
