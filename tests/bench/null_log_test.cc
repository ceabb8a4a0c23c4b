#include "bench/null_log.h"

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/support/forwarding_file_system.h"
#include "tests/support/temp_directory.h"
#include "tests/support/thread_scheduler.h"

namespace kv {
namespace {

// Counts what is written, and what of it is synced.
class Counted final : public ForwardingFileSystem {
 public:
  std::atomic<std::uint64_t> written{0}, synced{0};

 private:
  class CountedFile final : public ForwardingFile {
   public:
    CountedFile(std::unique_ptr<File> real, Counted& counts) : ForwardingFile(std::move(real)), counts_(counts) {}
    absl::StatusOr<std::size_t> write_at(Bytes data, std::uint64_t offset) override {
      counts_.written += data.size();
      return ForwardingFile::write_at(data, offset);
    }
    absl::Status sync_data() override {
      const std::uint64_t before = counts_.written;
      const absl::Status done = ForwardingFile::sync_data();
      counts_.synced = before;
      return done;
    }

   private:
    Counted& counts_;
  };
  std::unique_ptr<File> wrapped(std::unique_ptr<File> file) override {
    return std::make_unique<CountedFile>(std::move(file), *this);
  }
};

struct Seen final : Completion {
  explicit Seen(const Counted& counts) : counts(counts) {}
  void complete(bool) noexcept override {
    synced = counts.synced;
    done = true;
    done.notify_one();
  }
  const Counted& counts;
  std::uint64_t synced = 0;
  std::atomic<bool> done = false;
};

}  // namespace

TEST_CASE("null log: each of those who wait is told once bytes for it are on the disk") {
  TempDirectory directory;
  Counted fs;
  std::vector<std::unique_ptr<Seen>> many;  // gone after the thread that completes them
  ThreadScheduler home;
  auto log = NullLog::create(fs, directory.path() + "/log");
  REQUIRE(log.ok());
  for (std::uint64_t i = 1; i <= 20; ++i) {
    Seen& seen = *many.emplace_back(std::make_unique<Seen>(fs));
    (*log)->write(seen, home);
    seen.done.wait(false);
    CHECK(seen.synced == i * NullLog::kRecordBytes);
  }
  const std::size_t first = many.size();
  for (int i = 0; i < 10'000; ++i) many.push_back(std::make_unique<Seen>(fs));
  for (std::size_t i = first; i < many.size(); ++i) (*log)->write(*many[i], home);
  for (const auto& seen : many) seen->done.wait(false);
  CHECK(fs.synced == 10'020 * NullLog::kRecordBytes);
}

TEST_CASE("null log: a file that cannot be made is told") {
  TempDirectory directory;
  CHECK_FALSE(NullLog::create(posix_file_system(), directory.path() + "/no-such-folder/log").ok());
}

}  // namespace kv
