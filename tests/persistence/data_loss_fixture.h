// A server on a disk in memory whose files can be damaged, and the token of a start that is refused.
#pragma once

#include <map>
#include <memory>
#include <string>

#include <catch2/catch.hpp>

#include "core/error.h"
#include "persistence/damage.h"
#include "persistence/format/log_format.h"
#include "tests/persistence/storage_fixture.h"
#include "tests/support/faulty_file_system.h"

namespace kv {

inline constexpr char kSnap1[] = "snapshots/0000000000000001.snap";
inline constexpr char kSnap2[] = "snapshots/0000000000000002.snap";

inline std::string flipped(std::string bytes, std::size_t at) {
  bytes.at(at) = static_cast<char>(bytes[at] ^ 4);
  return bytes;
}

// A server on a disk in memory, which can be cloned and damaged.
struct Damaged {
  explicit Damaged(Mode mode) : server(mode) {
    server.use(*disk);
    server.give("log-segment-size", "1MiB");  // The smallest, because disks are cloned.
  }

  void write(const std::string& file, const std::string& bytes) { disk->put(server.path(file), bytes); }
  std::string read(const std::string& file) const { return disk->contents(server.path(file)).value_or("(missing)"); }
  void flip(const std::string& file, std::size_t at) { write(file, flipped(read(file), at)); }
  bool there(const std::string& file) const { return disk->contents(server.path(file)).has_value(); }

  // The token of a start that must be refused; "" when there is none.
  std::string refused() {
    const absl::Status status = server.open();
    INFO(status.ToString());
    REQUIRE_FALSE(status.ok());
    CHECK(facts_of(status)["exit"] == "3");
    CHECK(facts_of(status).count("file") == 1);
    place = place_of(status, server.path());
    CHECK_THAT(server.report_, Catch::Matchers::Contains("verdict: REFUSED"));
    CHECK(read("RECOVERY") == server.report_);
    return facts_of(status)["token"];
  }
  void accept(const std::string& token) {
    server.accept_ = token;
    const absl::Status status = server.open();
    INFO(status.ToString());
    REQUIRE(status.ok());
    server.accept_ = "";
  }

  std::unique_ptr<FaultyFileSystem> disk = std::make_unique<FaultyFileSystem>();
  StorageFixture server;
  DamagedPlace place;  // that the last refused start named
};

// A log of several segments with ten keys in each, one of them damaged.
struct DamagedSegment : Damaged {
  explicit DamagedSegment(Mode mode = Mode::kAof) : Damaged(mode) { server.start(); }
  void write_segments(const std::string& prefix, int count) { server.put_many(prefix, 10 * count, 100'000); }
  // The number-th of them, from 1 on. Its start block is from byte 64 to 127.
  std::string segment(std::size_t number) const { return "aof/" + segment_name(number); }
  void damage(const std::string& file, const std::string& bytes) {
    write(file, bytes);
    before = {};
    for (const std::string& name : server.files("aof")) before["aof/" + name] = read("aof/" + name);
  }
  // As it was when it was damaged, under another name.
  void check_kept(const std::string& file, const std::string& ending) {
    INFO(file << ending);
    CHECK_FALSE(there(file));
    CHECK((read(file + ending) == before.at(file)));  // Megabytes, not to be shown.
  }
  std::map<std::string, std::string> before;
};

// Two snapshots; the newer one damaged.
struct DamagedSnapshot : Damaged {
  DamagedSnapshot() : Damaged(Mode::kSnapshot) {
    server.start();
    server.put("a", "1");
    REQUIRE(server.snapshot().ok());
    server.put("a", "2");
    last = server.put("b", "1");
    REQUIRE(server.snapshot().ok());
    server.kill();
    flip(kSnap2, 200);
    damaged = read(kSnap2);
  }
  Revision last = 0;
  std::string damaged;
};

}  // namespace kv
