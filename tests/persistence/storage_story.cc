#include "tests/persistence/storage_story.h"

namespace kv {
namespace {

// False when the disk did not take it any more.
bool put(StorageFixture& server, WriteHistory& history, int i) {
  history.writes.push_back({"key" + std::to_string(i % 5), "value" + std::to_string(i)});
  const auto revision = server.try_put(history.writes.back().key, history.writes.back().value);
  if (!revision.ok()) return false;
  history.revision = *revision;
  if (server.last_level() == Level::kDisk) history.safe = history.writes.size();
  return true;
}

}  // namespace

bool work(StorageFixture& server, WriteHistory& history) {
  if (!server.open().ok()) return false;
  int i = 0;
  const auto write = [&](int count) {
    for (int end = i + count; i < end; ++i) {
      if (!put(server, history, i)) return false;
    }
    return true;
  };
  const auto change = [&](Mode mode) {
    if (!server.change(StorageFixture::to(mode)).ok()) return false;
    if (!write(2)) return false;
    // In SNAPSHOT mode what a snapshot holds is safe, and only that.
    if (mode != Mode::kSnapshot) return true;
    const std::size_t before = history.writes.size();
    if (!server.snapshot().ok()) return false;
    history.safe = before;
    return true;
  };
  if (!write(3) || !server.snapshot().ok() || !write(2)) return false;
  for (const Mode mode : {Mode::kSnapshot, Mode::kAof, Mode::kHybrid, Mode::kAof, Mode::kSnapshot, Mode::kHybrid}) {
    if (!change(mode)) return false;
  }
  if (!server.snapshot().ok() || !write(2)) return false;
  return server.stop().ok();
}

void judge(FileSystem& disk, const WriteHistory& history) {
  StorageFixture server;
  server.use(disk);
  server.start();
  const Data found = server.data();
  if (!history.allows(found)) {
    std::string text;
    for (const auto& [key, value] : found) text += key + "=" + value + " ";
    FAIL("not a state that may be: " << text << " with " << history.safe << " of " << history.writes.size() << " safe");
  }
  // It goes on from there, above every number that was ever shown.
  CHECK(server.put("again", "1") > history.revision);
  Data expected = found;
  expected["again"] = "1";
  server.restart();
  CHECK(server.data() == expected);
}

}  // namespace kv
