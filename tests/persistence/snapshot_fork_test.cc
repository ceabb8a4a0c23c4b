#include <condition_variable>
#include <csignal>
#include <mutex>
#include <string>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>

#include "core/bytes.h"
#include "core/error.h"
#include "snapshot_fork_fixture.h"

namespace kv {
namespace {

using std::chrono::milliseconds;

TEST_CASE("snapshot fork: the child's file holds the store, under its temporary name") {
  ForkFixture fixture;
  fixture.fill(20'000);
  const SnapshotOutcome outcome = fixture.begin(7).get();
  REQUIRE(outcome.status.ok());
  CHECK(outcome.info.number() == 7);
  CHECK(outcome.info.cut() == 20'000);
  CHECK(outcome.info.footer.entries == 20'000);
  CHECK(outcome.temporary_path == fixture.directory.file("0000000000000007.snap.tmp"));

  Store loaded({.shard_count = 4});
  REQUIRE(fixture.load(outcome, loaded).ok());
  CHECK(loaded.totals().digest == fixture.store.totals().digest);
  CHECK_FALSE(fixture.forker->child().has_value());
  check_no_child_left();
}

TEST_CASE(
    "snapshot fork: taken while four threads write, each snapshot is exactly the state at its cut, with its request "
    "ids") {
  struct Write {
    std::string key, value;
    std::optional<RequestId> id;  // of some
  };
  const auto id_of = [](int writer, int number) {
    RequestId id{};
    store<std::uint32_t>(id.data(), static_cast<std::uint32_t>(writer));
    store<std::uint32_t>(id.data() + 4, static_cast<std::uint32_t>(number));
    return id;
  };
  ForkFixture fixture;
  std::mutex log_mutex;
  std::vector<Write> log;  // index + 1 is the revision
  // However slow the machine is, the writers go no further than so many writes beyond the last fork.
  constexpr std::size_t kAhead = 100'000;
  std::size_t log_max = kAhead;  // with log_mutex
  std::condition_variable more_allowed;
  std::atomic<bool> stop = false;
  std::vector<std::thread> writers;
  writers.reserve(4);
  for (int writer = 0; writer < 4; ++writer) {
    writers.emplace_back([&, writer] {
      for (int i = 0; !stop; ++i) {
        {
          std::unique_lock log_lock(log_mutex);
          more_allowed.wait(log_lock, [&] { return stop || log.size() < log_max; });
        }
        const std::string key = fmt::format("{}", (i * 7 + writer) % 500);
        const std::string value = fmt::format("{}-{}", writer, i);
        const HashedKey hashed(key);
        WriteLock lock = fixture.store.write(hashed);
        PreparedPut put = lock.prepare_put(hashed, std::string_view(value), ValueType::kString, kNoExpiry);
        std::optional<RequestId> id;
        std::optional<RequestClaim> claim;
        if (i % 64 == 0)
          claim.emplace(fixture.store.requests().claim(id.emplace(id_of(writer, i)), fixture.clock.now()));
        Revision revision = 0;
        {
          std::lock_guard log_lock(log_mutex);
          log.push_back({key, value, id});
          revision = log.size();
          fixture.last_revision = revision;
        }
        lock.publish(std::move(put), revision);
        if (claim) claim->remember({.id = *id, .request_hash = revision, .applied = true}, revision);
      }
    });
  }
  std::vector<SnapshotOutcome> outcomes;
  for (std::uint64_t number = 1; number <= 10; ++number) {
    {
      std::lock_guard log_lock(log_mutex);
      log_max = log.size() + kAhead;
    }
    more_allowed.notify_all();
    outcomes.push_back(fixture.begin(number).get());
  }
  {
    std::lock_guard log_lock(log_mutex);
    stop = true;
  }
  more_allowed.notify_all();
  for (std::thread& writer : writers) writer.join();

  Store replayed({.shard_count = 1});
  Revision revision = 0;
  for (const SnapshotOutcome& outcome : outcomes) {
    REQUIRE(outcome.status.ok());
    for (; revision < outcome.info.cut(); ++revision)
      set(replayed, log[revision].key, log[revision].value, revision + 1);
    CHECK(outcome.info.footer.state_digest == replayed.totals().digest);
    Store loaded({.shard_count = 2});
    REQUIRE(fixture.load(outcome, loaded).ok());
    CHECK(SnapshotFixture::dump(loaded) == SnapshotFixture::dump(replayed));
    // The request ids are those of the same revisions, each once.
    std::uint64_t expected = 0;
    for (Revision of = 1; of <= revision; ++of) {
      if (!log[of - 1].id) continue;
      ++expected;
      const auto first = loaded.requests().find(*log[of - 1].id, fixture.clock.now());
      REQUIRE(first);
      REQUIRE(first->revision == of);
      REQUIRE(first->block.request_hash == of);
    }
    CHECK(loaded.requests().count_frozen() == expected);
  }
  CHECK(outcomes.front().info.cut() < outcomes.back().info.cut());
}

TEST_CASE("snapshot fork: a child that is killed is a failed snapshot, and leaves no file") {
  ForkFixture fixture;
  fixture.fill(100);
  std::future<SnapshotOutcome> outcome = fixture.begin_slow();
  REQUIRE(fixture.forker->child().has_value());
  ::kill(*fixture.forker->child(), SIGKILL);
  const SnapshotOutcome ended = outcome.get();
  const absl::Status& status = ended.status;
  CHECK(absl::IsAborted(status));
  CHECK(ended.fault == SnapshotFault::kChild);
  CHECK(status.ToString().find("signal 9") != std::string::npos);
  CHECK(fixture.directory_is_empty());
  check_no_child_left();
}

TEST_CASE("snapshot fork: the one after a failed one succeeds") {
  ForkFixture fixture;
  fixture.fill(100);
  fixture.fs.fail_create(EACCES);
  const SnapshotOutcome failed = fixture.begin(1).get();
  CHECK(absl::IsPermissionDenied(failed.status));
  CHECK(failed.fault == SnapshotFault::kPrepare);
  fixture.fs.fail_create(0);
  CHECK(fixture.begin(2).get().status.ok());
}

TEST_CASE("snapshot fork: a silent child is killed by the watchdog") {
  ForkFixture fixture;
  fixture.options.silence_max = milliseconds(50);
  fixture.fill(100);
  fixture.slow_child();
  const SnapshotOutcome outcome = fixture.begin().get();  // before its first write or after it
  CHECK(absl::IsDeadlineExceeded(outcome.status));
  CHECK(outcome.fault == SnapshotFault::kSilence);
  CHECK(fixture.directory_is_empty());
}

TEST_CASE("snapshot fork: a slow child that gives signs of life is left alone, however long it takes") {
  ForkFixture fixture;
  fixture.options.silence_max = milliseconds(2000);
  fixture.options.buffer_bytes = 4096;
  fixture.options.sync_every_bytes = 1;
  fixture.options.pause_per_write = milliseconds(100);
  for (int i = 0; i < 30; ++i)
    set(fixture.store, fmt::format("key-{}", i), std::string(4000, 'v'), ++fixture.last_revision);
  const SnapshotOutcome outcome = fixture.begin().get();
  CHECK(outcome.status.ok());
  CHECK(outcome.duration > 3 * fixture.options.silence_max / 2);
}

TEST_CASE("snapshot fork: a second one is refused while a child lives, and cancelling ends the first") {
  ForkFixture fixture;
  fixture.fill(100);
  std::future<SnapshotOutcome> first = fixture.begin_slow();
  const absl::Status second = fixture.forker->begin(
      {.number = 2, .store_id = {}, .directory = fixture.directory.path()}, [](const SnapshotOutcome&) {});
  CHECK(has_reason(second, Reason::kTransitionInProgress));
  fixture.forker->cancel();
  const SnapshotOutcome cancelled = first.get();
  CHECK(absl::IsCancelled(cancelled.status));
  CHECK(cancelled.fault == SnapshotFault::kNone);
  CHECK(fixture.directory_is_empty());
}

TEST_CASE("snapshot fork: an owner that goes away ends the child and hears of it") {
  ForkFixture fixture;
  fixture.fill(100);
  std::future<SnapshotOutcome> outcome = fixture.begin_slow();
  fixture.forker.reset();
  CHECK(absl::IsCancelled(outcome.get().status));
  CHECK(fixture.directory_is_empty());
  check_no_child_left();
}

TEST_CASE("snapshot fork: a full disk is an error of the snapshot, with its errno") {
  ForkFixture fixture;
  fixture.fill(100);
  fixture.fs.use_device("/dev/full");
  const SnapshotOutcome outcome = fixture.begin().get();
  CHECK(is_out_of_space(outcome.status));
}

TEST_CASE("snapshot fork: the child keeps no socket, so that the port is free when the parent closes it") {
  ForkFixture fixture;
  fixture.fill(100);
  Listener first;
  REQUIRE(first.bind_to(0) == 0);
  std::future<SnapshotOutcome> outcome = fixture.begin_slow();
  first.socket.reset();
  Listener second;
  CHECK(second.bind_to(first.port) == 0);
  fixture.forker->cancel();
  outcome.wait();
}

TEST_CASE("snapshot fork: the child does not hold the lock file") {
  ForkFixture fixture;
  fixture.fill(100);
  const std::string path = fixture.directory.file("LOCK");
  auto first = posix_file_system().create(path);
  REQUIRE(*(*first)->try_lock());
  std::future<SnapshotOutcome> outcome = fixture.begin_slow();
  first->reset();
  auto second = posix_file_system().open(path, FileSystem::Open::kReadWrite);
  CHECK(*(*second)->try_lock());
  fixture.forker->cancel();
  outcome.wait();
}

TEST_CASE("snapshot fork: when the server is killed, its child dies with it") {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  const Descriptor read_end(ends[0]);
  Descriptor write_end(ends[1]);
  const TempDirectory home;  // outlives the server, which cannot tidy up
  const pid_t server = ::fork();
  if (server == 0) {
    ::setenv("TMPDIR", home.path().c_str(), 1);
    ForkFixture fixture;
    fixture.fill(100);
    const std::future<SnapshotOutcome> outcome = fixture.begin_slow();
    const pid_t child = *fixture.forker->child();
    if (::write(write_end.get(), &child, sizeof child) != sizeof child) ::_exit(1);
    while (true) ::pause();
  }
  write_end.reset();
  pid_t child = -1;
  REQUIRE(::read(read_end.get(), &child, sizeof child) == sizeof child);
  const Descriptor watch(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
  REQUIRE(watch.valid());
  ::kill(server, SIGKILL);
  ::waitpid(server, nullptr, 0);
  pollfd ended{.fd = watch.get(), .events = POLLIN, .revents = 0};
  CHECK(::poll(&ended, 1, 60'000) == 1);
}

TEST_CASE("snapshot fork: without a descriptor it is written in this process") {
  ForkFixture fixture;
  fixture.fs.hide_descriptors();
  fixture.fill(1000);
  const SnapshotOutcome outcome = fixture.begin().get();
  REQUIRE(outcome.status.ok());
  Store loaded({.shard_count = 4});
  REQUIRE(fixture.load(outcome, loaded).ok());
  CHECK(loaded.totals().digest == fixture.store.totals().digest);
}

}  // namespace
}  // namespace kv
