// Each call that a start makes on existing data fails in each way: twice in a row, then the disk is well again.
// Whatever happened on the way, what was there is there.
#include <functional>

#include <catch2/catch.hpp>

#include "tests/persistence/storage_story.h"
#include "tests/torture/fault_verdict.h"
#include "tests/torture/fault_ways.h"
#include "tests/torture/run.h"

namespace kv {
namespace {

// What a start finds.
struct Image {
  std::string name;
  Mode given;
  std::unique_ptr<FaultyFileSystem> disk;
  Data data;
  Revision revision = 0;
};

std::unique_ptr<FaultyFileSystem> as_killed(const FaultyFileSystem& disk) {
  return disk.after_crash({Survivors::Which::kAll, 0, 0, 0});
}

// A server whose disk is taken as it is at the first call of that kind, on a path with that part, once it is armed.
struct Taken {
  Taken(Mode mode, DiskCall call, const std::string& part) : server(mode) {
    disk.on_call([this, call, part](DiskCall made, const std::string& path) {
      if (made != call || path.find(part) == path.npos || !armed.exchange(false)) return;
      if (before) before();
      image = as_killed(disk);
    });
    set_up_for_work(server);
    server.use(disk);
    server.start();
    for (int i = 0; i < 5; ++i) server.put("large" + std::to_string(i % 2), large("value" + std::to_string(i)));
    server.put("gone", "1");
    server.erase("gone");
    if (mode != Mode::kNonPersistent) REQUIRE(server.snapshot().ok());
  }
  FaultyFileSystem disk;
  StorageFixture server;
  std::atomic<bool> armed{false};
  std::function<void()> before;
  std::unique_ptr<FaultyFileSystem> image;
};

// With a tail above the watermark, and what a snapshot and a MANIFEST left that were under way.
Image killed() {
  Taken story(Mode::kHybrid, DiskCall::kAny, "");
  story.disk.put(story.server.path("MANIFEST.tmp"), "half of a");
  story.disk.put(story.server.path("snapshots/0000000000000009.snap.tmp"), "");
  for (int i = 0; i < 4; ++i) story.server.put("large2", large("tail" + std::to_string(i)));
  const Revision last = story.server.put("last", "1");
  return {"HYBRID, killed", Mode::kHybrid, as_killed(story.disk), shown(story.server), last};
}

Image stopped() {
  Taken story(Mode::kAof, DiskCall::kAny, "");
  const Revision last = story.server.put("last", "1");
  const Data data = shown(story.server);
  REQUIRE(story.server.stop().ok());
  return {"AOF, stopped", Mode::kAof, as_killed(story.disk), data, last};
}

// The start undoes the switch, and carries it out anew.
Image in_dual() {
  Taken story(Mode::kSnapshot, DiskCall::kRename, ".snap");
  const Data data = shown(story.server);
  story.armed = true;
  story.server.switch_to(Mode::kAof);
  REQUIRE(story.image != nullptr);
  return {"SNAPSHOT to AOF, in DUAL", Mode::kSnapshot, std::move(story.image), data, 7};
}

// Segments above the snapshot that the new mode begins with are replayed.
Image sealed() {
  Taken story(Mode::kHybrid, DiskCall::kRename, ".snap");
  Revision last = 0;
  story.before = [&] { last = story.server.put("between", "cut and seal"); };
  story.armed = true;
  story.server.switch_to(Mode::kSnapshot);
  REQUIRE(last > 0);
  return {"HYBRID to SNAPSHOT, with sealed segments", Mode::kHybrid, as_killed(story.disk), shown(story.server), last};
}

// The start moves the rest.
Image leaving() {
  Taken story(Mode::kHybrid, DiskCall::kRename, ".aof");
  story.armed = true;
  story.server.switch_to(Mode::kNonPersistent);
  REQUIRE(story.image != nullptr);
  return {"HYBRID to NON_PERSISTENT, files on their way", Mode::kHybrid, std::move(story.image), {}, 7};
}

void set_up(StorageFixture& server, FaultyFileSystem& disk) {
  set_up_for_work(server);
  server.use(disk);
}

void must_hold(FaultyFileSystem& disk, const Image& image) {
  StorageFixture server(image.given);
  set_up(server, disk);
  server.start();
  REQUIRE(shown(server) == image.data);
  CHECK(server.put("again", "1") > image.revision);
  // In SNAPSHOT mode the stop takes a last one; where a switch goes on meanwhile, the next start does.
  const bool kept = server.manifest().mode != Mode::kNonPersistent;
  Data expected = image.data;
  if (kept) expected["again"] = "1";
  server.restart();
  CHECK(shown(server) == expected);
}

// One start. False when the fault did not strike it; `refused`: it struck, and ended it.
bool strike_start(FaultyFileSystem& disk, const Image& image, DiskCall call, const Way& way, std::uint64_t after,
                  bool& refused) {
  const SetFault fault(disk, call, way, after);
  StorageFixture server(image.given);
  set_up(server, disk);
  const absl::Status opened = server.open();
  if (!fault.struck()) return false;
  const Strike struck{call, way, disk.struck_path()};
  INFO("on " << struck.path << ": " << opened.ToString());
  refused = !opened.ok();
  if (must_not_show(call, way)) CHECK(opened.ok());
  if (refused) check_refused_start(struck, opened);
  if (!refused) CHECK(shown(server) == image.data);
  server.kill();
  disk.on_call({});
  disk.heal();
  return true;
}

bool strike(const Image& image, DiskCall call, const Way& way, std::uint64_t after) {
  const auto disk = as_killed(*image.disk);
  bool refused = false;
  if (!strike_start(*disk, image, call, way, after, refused)) return false;
  TortureRun::get().count(refused ? "starts_refused" : "starts_served");
  if (refused) {
    must_hold(*disk->after_crash({}), image);
    strike_start(*disk, image, call, way, after, refused);
    must_hold(*as_killed(*disk), image);
  }
  must_hold(*disk->after_crash({}), image);
  return true;
}

std::uint64_t calls_of_start(const Image& image, DiskCall call) {
  const auto disk = as_killed(*image.disk);
  StorageFixture server(image.given);
  set_up(server, *disk);
  server.start();
  return disk->calls(call);
}

void strike_all(const Image& image, const NamedCall& named) {
  TortureRun& run = TortureRun::get();
  const std::uint64_t calls = calls_of_start(image, named.call);
  for (const Way& way : all_ways()) {
    if (!applies(named.call, way)) continue;
    run.count("calls", calls);
    for (std::uint64_t after = 0; after < calls && !run.is_over(); ++after) {
      const std::string piece =
          fmt::format("start of {}: {} number {} of {}: {}", image.name, named.name, after + 1, calls, way.name);
      if (!run.takes(piece)) continue;
      INFO(piece);
      run.begin(piece);
      if (!strike(image, named.call, way, after)) break;
      run.count("struck");
      run.done();
    }
  }
}

TEST_CASE("faults: each call of a start on existing data fails in each way, twice, and everything is there",
          "[faults]") {
  for (const auto& make : {killed, stopped, in_dual, sealed, leaving}) {
    const Image image = make();
    for (const NamedCall& named : all_calls()) strike_all(image, named);
  }
  CHECK(TortureRun::get().counted("struck") > 0);
}

}  // namespace
}  // namespace kv
