#include "tests/support/faulty_file_system.h"

#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

namespace kv {
namespace {

using Which = Survivors::Which;

struct DiskFixture {
  DiskFixture() {
    REQUIRE(fs.make_directory("/d").ok());
    fs.make_durable();
  }
  std::unique_ptr<File> create(const std::string& path) { return std::move(fs.create(path)).value(); }
  static bool write(File& file, std::string_view text, std::uint64_t offset = 0) {
    return write_all_at(file, as_bytes(text), offset).ok();
  }
  std::optional<std::string> after(Survivors survivors, const std::string& path = "/d/f") const {
    return fs.after_crash(survivors)->contents(path);
  }

  FaultyFileSystem fs;
};

using Text = std::optional<std::string>;

}  // namespace

TEST_CASE_METHOD(DiskFixture, "faulty disk: a crash keeps a file only if both its data and its name were synced") {
  const auto file = create("/d/f");
  REQUIRE(write(*file, "hello"));
  CHECK(fs.contents("/d/f") == Text("hello"));
  CHECK(after({Which::kNone}) == std::nullopt);
  CHECK(after({Which::kAll}) == Text("hello"));
  CHECK(after({Which::kOnlyNames}) == Text(""));

  REQUIRE(file->sync().ok());
  CHECK(after({Which::kNone}) == std::nullopt);
  REQUIRE(fs.sync_directory("/d").ok());
  CHECK(after({Which::kNone}) == Text("hello"));

  REQUIRE(write(*file, "HE"));
  CHECK(after({Which::kNone}) == Text("hello"));
  CHECK(after({Which::kOnlyData}) == Text("HEllo"));
  CHECK(fs.unsynced_changes() == 1);
  REQUIRE(file->sync_data().ok());
  CHECK(after({Which::kNone}) == Text("HEllo"));
}

TEST_CASE_METHOD(DiskFixture, "faulty disk: a new directory is gone after a crash until its parent is synced") {
  REQUIRE(fs.make_directory("/d/e").ok());
  const auto file = create("/d/e/f");
  REQUIRE(fs.sync_directory("/d/e").ok());
  CHECK(after({Which::kNone}, "/d/e/f") == std::nullopt);
  REQUIRE(fs.sync_directory("/d").ok());
  CHECK(after({Which::kNone}, "/d/e/f") == Text(""));
}

TEST_CASE_METHOD(DiskFixture, "faulty disk: a rename survives whole or not at all") {
  fs.put("/d/old", "new contents");
  fs.put("/d/f", "old contents");
  REQUIRE(fs.rename("/d/old", "/d/f").ok());
  CHECK(after({Which::kNone}) == Text("old contents"));
  CHECK(after({Which::kNone}, "/d/old") == Text("new contents"));
  for (std::size_t count = 0; count <= fs.unsynced_changes(); ++count) {
    const bool moved = after({Which::kFirst, count}) == Text("new contents");
    CHECK(after({Which::kFirst, count}, "/d/old").has_value() != moved);
  }
  REQUIRE(fs.sync_directory("/d").ok());
  CHECK(after({Which::kNone}) == Text("new contents"));
  CHECK(after({Which::kNone}, "/d/old") == std::nullopt);
}

TEST_CASE_METHOD(DiskFixture, "faulty disk: a file moved between directories is in one of them after any crash") {
  REQUIRE(fs.make_directory("/d/past").ok());
  fs.make_durable();
  const auto file = create("/d/f");
  REQUIRE(write(*file, "data"));
  REQUIRE(file->sync().ok());
  REQUIRE(fs.rename("/d/f", "/d/past/f").ok());
  CHECK(after({Which::kNone}, "/d/past/f") == std::nullopt);
  const bool source_first = GENERATE(true, false);
  REQUIRE(fs.sync_directory(source_first ? "/d" : "/d/past").ok());
  CHECK(after({Which::kNone}, "/d/past/f") == Text("data"));
  for (const Which which : {Which::kNone, Which::kAll, Which::kOnlyNames}) CHECK(after({which}) == std::nullopt);
}

TEST_CASE_METHOD(DiskFixture, "faulty disk: a crash may keep a prefix of the changes and tear the next write") {
  fs.put("/d/f", "");
  const auto file = std::move(fs.open("/d/f", FileSystem::Open::kReadWrite)).value();
  REQUIRE(write(*file, "aaa", 0));
  REQUIRE(write(*file, "bbb", 3));
  REQUIRE(file->truncate(4).ok());
  CHECK(after({Which::kFirst, 0}) == Text(""));
  CHECK(after({Which::kFirst, 0, 2}) == Text("aa"));
  CHECK(after({Which::kFirst, 1, 1}) == Text("aaab"));
  CHECK(after({Which::kFirst, 2}) == Text("aaabbb"));
  CHECK(after({Which::kFirst, 3}) == Text("aaab"));
}

TEST_CASE_METHOD(DiskFixture, "faulty disk: a random crash keeps some sectors and loses some, the same for one seed") {
  fs.put("/d/f", std::string(8192, '-'));
  const auto file = std::move(fs.open("/d/f", FileSystem::Open::kReadWrite)).value();
  REQUIRE(write(*file, std::string(8192, 'x')));
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const std::string left = after({Which::kRandom, 0, 0, seed}).value();
    CHECK(left == after({Which::kRandom, 0, 0, seed}));
    CHECK(left.find(std::string(512, 'x')) != left.npos);
    CHECK(left.find(std::string(512, '-')) != left.npos);
  }
}

TEST_CASE_METHOD(DiskFixture, "faulty disk: after a failed sync the data is lost even though the next sync succeeds") {
  fs.put("/d/f", "old");
  const auto file = std::move(fs.open("/d/f", FileSystem::Open::kReadWrite)).value();
  fs.fail({.call = DiskCall::kSyncData, .path_part = "/d/f"});
  REQUIRE(write(*file, "new"));
  CHECK(errno_of(file->sync_data()) == EIO);
  CHECK(file->sync_data().ok());
  CHECK(fs.contents("/d/f") == Text("new"));
  CHECK(after({Which::kNone}) == Text("old"));
  CHECK(after({Which::kOnlyData}) == Text("old"));
  CHECK(after({Which::kAll}) == Text("new"));
  CHECK(fs.faults_delivered() == 1);
}

TEST_CASE_METHOD(DiskFixture,
                 "faulty disk: the call that was meant fails, once or from then on, and the rest goes well") {
  fs.fail({.call = DiskCall::kWrite, .path_part = "f", .after = 1, .error_number = EINTR});
  const auto file = create("/d/f");
  const auto other = create("/d/other");
  CHECK(file->write_at(as_bytes("a"), 0).ok());
  CHECK(other->write_at(as_bytes("a"), 0).ok());
  CHECK(errno_of(file->write_at(as_bytes("b"), 1).status()) == EINTR);
  CHECK(file->write_at(as_bytes("b"), 1).ok());

  fs.fail({.call = DiskCall::kWrite, .path_part = "f", .error_number = 0, .bytes_max = 2});
  CHECK(file->write_at(as_bytes("12345"), 0).value() == 2);
  CHECK(file->write_at(as_bytes("12345"), 0).value() == 5);

  fs.fail({.call = DiskCall::kAny, .error_number = ENOSPC, .from_then_on = true});
  CHECK(is_out_of_space(file->sync()));
  CHECK(is_out_of_space(fs.remove("/d/f")));
  CHECK(fs.faults_delivered() == 4);
  fs.heal();
  CHECK(fs.remove("/d/f").ok());
  CHECK(fs.calls(DiskCall::kWrite) == 6);
  CHECK(fs.calls() == 12);
}

TEST_CASE_METHOD(DiskFixture,
                 "faulty disk: it runs full, writes what still fits, and has room again when some is freed") {
  fs.put("/d/big", std::string(90, 'x'));
  fs.limit_capacity(100);
  const auto file = create("/d/f");
  CHECK(fs.free_bytes("/d").value() == 10);
  CHECK(is_out_of_space(file->allocate(11)));
  CHECK(file->write_at(as_bytes(std::string(15, 'y')), 0).value() == 10);
  CHECK(is_out_of_space(file->write_at(as_bytes("z"), 10).status()));
  CHECK(file->write_at(as_bytes("over"), 0).value() == 4);
  REQUIRE(fs.remove("/d/big").ok());
  CHECK(file->allocate(100).ok());
  CHECK(file->size().value() == 100);
}

TEST_CASE_METHOD(DiskFixture, "faulty disk: when the power goes a write may be torn, and nothing happens afterwards") {
  const auto file = create("/d/f");
  fs.power_off_at(fs.calls() + 1, 3);
  CHECK(errno_of(file->write_at(as_bytes("abcdef"), 0).status()) == EIO);
  CHECK(errno_of(file->sync()) == EIO);
  CHECK(errno_of(fs.sync_directory("/d")) == EIO);
  CHECK(fs.contents("/d/f") == Text("abc"));
  const auto restarted = fs.after_crash({Which::kAll});
  CHECK(restarted->contents("/d/f") == Text("abc"));
  CHECK(restarted->remove("/d/f").ok());
}

TEST_CASE_METHOD(DiskFixture, "faulty disk: one holder of a lock at a time, released with its file and by a crash") {
  auto file = create("/d/f");
  const auto other = std::move(fs.open("/d/f", FileSystem::Open::kReadWrite)).value();
  CHECK(file->try_lock().value());
  CHECK_FALSE(other->try_lock().value());
  const auto restarted = fs.after_crash({Which::kAll});
  const auto found = std::move(restarted->open("/d/f", FileSystem::Open::kReadWrite)).value();
  CHECK(found->try_lock().value());
  file.reset();
  CHECK(other->try_lock().value());
}

TEST_CASE_METHOD(DiskFixture, "faulty disk: threads may use it at once") {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([this, i] {
      const auto file = fs.create("/d/" + std::to_string(i));
      for (std::uint64_t at = 0; at < 200; ++at) {
        write_all_at(**file, as_bytes("x"), at).IgnoreError();
        if (at % 50 == 0) (*file)->sync_data().IgnoreError();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(fs.calls(DiskCall::kWrite) == 800);
  CHECK(fs.contents("/d/3") == Text(std::string(200, 'x')));
}

}  // namespace kv
