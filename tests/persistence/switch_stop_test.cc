// Changes that a stop meets: the next start goes on with what is on record.
#include <future>

#include <catch2/catch.hpp>

#include "core/error.h"
#include "tests/persistence/busy_server.h"
#include "tests/persistence/storage_fixture.h"
#include "tests/support/faulty_file_system.h"

namespace kv {
namespace {

// Behind the switch that the stop ends there is another one, which a full disk has kept off the record.
TEST_CASE("switch stop: one that a stop ends stays on record, though another one waits behind it") {
  BusyServer busy;
  StorageFixture& server = busy.server;
  SettingsChange setting;
  setting.max_snapshots = 9;
  const auto shuts_down = [&] {  // Its answer comes from the thread that records, behind what it had to do before.
    return has_reason(server.change(setting, {.queue_behind_switch = false}), Reason::kShuttingDown);
  };
  bool behind_the_record = false;
  busy.change(Mode::kSnapshot, [&] { behind_the_record = shuts_down(); });
  REQUIRE(busy.recorded.get_future().get().ok());
  busy.disk.fail({.call = DiskCall::kWrite, .path_part = "MANIFEST", .error_number = ENOSPC, .from_then_on = true});
  std::promise<absl::Status> next;
  server.storage().change_settings(StorageFixture::to(Mode::kNonPersistent), {},
                                   [&](const absl::Status& status) { next.set_value(status); });
  CHECK_FALSE(server.change(setting, {.queue_behind_switch = false}).ok());
  busy.disk.heal();
  std::future<absl::Status> stopped = std::async(std::launch::async, [&] { return server.stop(); });
  CHECK(within_bound(shuts_down));
  busy.go_on();
  CHECK(has_reason(busy.done.get_future().get(), Reason::kOutcomeUnknown));
  CHECK_FALSE(next.get_future().get().ok());
  CHECK(stopped.get().ok());
  CHECK(behind_the_record);
  REQUIRE(server.manifest().mode_switch.has_value());
  CHECK(server.manifest().mode_switch->change.at("max-snapshots") == "7");
}

}  // namespace
}  // namespace kv
