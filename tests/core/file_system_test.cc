// What core/file_system.h promises, asked of the real file system and of the simulated one.
#include "core/file_system.h"

#include <memory>
#include <string>

#include <catch2/catch.hpp>

#include "tests/support/faulty_file_system.h"
#include "tests/support/temp_directory.h"

namespace kv {
namespace {

// The two file systems, each with an empty directory to work in.
class AnyFileSystem {
 public:
  explicit AnyFileSystem(bool real) : real_(real) {
    if (!real) REQUIRE(simulated_.make_directory("/disk").ok());
  }
  FileSystem& fs() { return real_ ? posix_file_system() : simulated_; }
  std::string at(const std::string& name) const { return (real_ ? std::string(temporary_.path()) : "/disk") + name; }

 private:
  const bool real_;
  TempDirectory temporary_;
  FaultyFileSystem simulated_;
};

std::string read(FileSystem& fs, const std::string& path) { return read_file(fs, path, 1 << 20).value(); }

}  // namespace

TEST_CASE("file system: what was written is read back, past the end is a hole of zeros, and truncating cuts") {
  AnyFileSystem any(GENERATE(true, false));
  const auto file = std::move(any.fs().create(any.at("/f"))).value();
  REQUIRE(write_all_at(*file, as_bytes("abc"), 2).ok());
  CHECK(read(any.fs(), any.at("/f")) == std::string("\0\0abc", 5));
  REQUIRE(file->allocate(8).ok());
  CHECK(file->size().value() == 8);
  REQUIRE(file->truncate(3).ok());
  CHECK(read(any.fs(), any.at("/f")) == std::string("\0\0a", 3));
  CHECK(file->sync_data().ok());
  CHECK(file->sync().ok());
  std::array<std::byte, 8> bytes;
  CHECK(file->read_at(bytes, 3).value() == 0);
  CHECK(read_all_at(*file, bytes, 0).code() == absl::StatusCode::kOutOfRange);
}

TEST_CASE("file system: errors carry their errno and the path") {
  AnyFileSystem any(GENERATE(true, false));
  FileSystem& fs = any.fs();
  const absl::Status missing = fs.open(any.at("/none"), FileSystem::Open::kRead).status();
  CHECK(errno_of(missing) == ENOENT);
  CHECK(missing.ToString().find("/none") != std::string::npos);
  REQUIRE(fs.create(any.at("/f")).ok());
  CHECK(errno_of(fs.create(any.at("/f")).status()) == EEXIST);
  REQUIRE(fs.make_directory(any.at("/d")).ok());
  CHECK(errno_of(fs.make_directory(any.at("/d"))) == EEXIST);
  REQUIRE(fs.create(any.at("/d/f")).ok());
  CHECK(errno_of(fs.remove_directory(any.at("/d"))) == ENOTEMPTY);
  CHECK(errno_of(fs.remove(any.at("/d"))) == EISDIR);
  CHECK(errno_of(fs.create(any.at("/f/under")).status()) == ENOTDIR);
  CHECK(errno_of(fs.rename(any.at("/none"), any.at("/x"))) == ENOENT);
  CHECK(errno_of(fs.list(any.at("/none")).status()) == ENOENT);
  CHECK(errno_of(fs.sync_directory(any.at("/none"))) == ENOENT);
  const auto readable = std::move(fs.open(any.at("/f"), FileSystem::Open::kRead)).value();
  CHECK(errno_of(readable->write_at(as_bytes("x"), 0).status()) == EBADF);
  CHECK(read_file(fs, any.at("/f"), 0).ok());
  CHECK_FALSE(is_out_of_space(missing));
}

TEST_CASE("file system: names are listed in order, and a rename replaces") {
  AnyFileSystem any(GENERATE(true, false));
  FileSystem& fs = any.fs();
  for (const char* name : {"/c", "/a", "/b"}) REQUIRE(fs.create(any.at(name)).ok());
  REQUIRE(fs.make_directory(any.at("/e")).ok());
  REQUIRE(fs.rename(any.at("/c"), any.at("/a")).ok());
  const auto entries = fs.list(any.at("")).value();
  REQUIRE(entries.size() == 3);
  CHECK(entries[0].name == "a");
  CHECK(entries[1].name == "b");
  CHECK(entries[2].name == "e");
  CHECK(entries[2].is_directory);
  CHECK_FALSE(fs.exists(any.at("/c")).value());
  CHECK(fs.exists(any.at("/e")).value());
  CHECK(fs.remove_directory(any.at("/e")).ok());
  CHECK(fs.free_bytes(any.at("")).value() > 0);
}

TEST_CASE("file system: a file is replaced whole, and a left-over temporary does not disturb") {
  AnyFileSystem any(GENERATE(true, false));
  REQUIRE(any.fs().create(any.at("/m.tmp")).ok());
  REQUIRE(replace_file(any.fs(), any.at(""), "m", "one").ok());
  REQUIRE(replace_file(any.fs(), any.at(""), "m", "two").ok());
  CHECK(read(any.fs(), any.at("/m")) == "two");
  CHECK_FALSE(any.fs().exists(any.at("/m.tmp")).value());
  CHECK(read_file(any.fs(), any.at("/m"), 2).status().code() == absl::StatusCode::kResourceExhausted);
}

TEST_CASE("file system: a lock is held by one at a time") {
  AnyFileSystem any(GENERATE(true, false));
  auto holder = std::move(any.fs().create(any.at("/f"))).value();
  const auto other = std::move(any.fs().open(any.at("/f"), FileSystem::Open::kReadWrite)).value();
  CHECK(holder->try_lock().value());
  CHECK_FALSE(other->try_lock().value());
  holder.reset();
  CHECK(other->try_lock().value());
}

TEST_CASE("file system: short transfers and interruptions are carried on") {
  FaultyFileSystem fs;
  const auto file = std::move(fs.create("/f")).value();
  fs.fail({.call = DiskCall::kWrite, .error_number = 0, .bytes_max = 2});
  fs.fail({.call = DiskCall::kWrite, .error_number = EINTR});
  fs.fail({.call = DiskCall::kRead, .error_number = EINTR});
  fs.fail({.call = DiskCall::kRead, .error_number = 0, .bytes_max = 1});
  REQUIRE(write_all_at(*file, as_bytes("abcdef"), 0).ok());
  CHECK(read(fs, "/f") == "abcdef");
  CHECK(fs.faults_delivered() == 4);
}

TEST_CASE(
    "file system: a replaced file is the old or the new one after a crash at any call, and durable once it is OK") {
  for (std::uint64_t call = 1;; ++call) {
    FaultyFileSystem fs;
    fs.put("/m", "old");
    fs.power_off_at(call, call % 4);
    const bool ok = replace_file(fs, "/", "m", "new").ok();
    for (const auto which :
         {Survivors::Which::kNone, Survivors::Which::kAll, Survivors::Which::kOnlyNames, Survivors::Which::kOnlyData}) {
      const auto left = fs.after_crash({which})->contents("/m");
      INFO("call " << call);
      CHECK((left == "new" || (!ok && left == "old")));
    }
    if (ok) {
      CHECK(call > 5);
      return;
    }
  }
}

}  // namespace kv
