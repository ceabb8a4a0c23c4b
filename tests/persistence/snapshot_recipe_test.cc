// The steps of a snapshot by fork, each by itself: what the child has put away before it writes, what it may call, and
// what the parent does when a step fails. The whole is in snapshot_fork_test.cc.
#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <vector>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "allocation_trap.h"
#include "core/error.h"
#include "persistence/private_memory.h"
#include "persistence/snapshot_child.h"
#include "persistence/snapshot_entry.h"
#include "snapshot_fork_fixture.h"
#include "store/frozen_walk.h"
#include "tests/support/system_call_filter.h"

namespace kv {
namespace {

namespace stdfs = std::filesystem;
using Message = SnapshotChildMessage;

std::string read_text(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

// A line of /proc/PID/status, as a bit mask: bit n - 1 is signal n.
std::uint64_t signal_mask(const std::string& process, const std::string& name) {
  const std::string status = read_text("/proc/" + process + "/status");
  const std::size_t at = status.find(name + ":\t");
  REQUIRE(at != status.npos);
  return std::stoull(status.substr(at + name.size() + 2, 16), nullptr, 16);
}
std::uint64_t bit(int signal) { return std::uint64_t{1} << (signal - 1); }

// How a process ended in which `work` ran: its exit code, or minus the signal. Catch2 does not hear of checks in it.
int run_apart(const std::function<int()>& work) {
  const pid_t process = ::fork();
  if (process == 0) ::_exit(work());
  int status = 0;
  REQUIRE(::waitpid(process, &status, 0) == process);
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

// The child's part alone, in a process of its own, with what it says on its pipe.
struct BareChild {
  TempDirectory directory;
  std::string path = directory.file("child.snap.tmp");
  Store store{{.shard_count = 4}};
  std::vector<std::byte> buffer = std::vector<std::byte>(4096);
  std::vector<Message> said;
  SnapshotChildPlan plan;

  BareChild() {
    plan.parent = ::getpid();
    plan.store = &store;
    plan.header = SnapshotFixture::example_header();
    plan.buffer = buffer;
    plan.sync_every_bytes = SnapshotWriter::kSyncEveryBytes;
    for (int i = 0; i < 5000; ++i) set(store, fmt::format("key-{}", i), std::string(100, 'v'), 1 + i);
  }
  int run(const std::function<void()>& first = [] {}) {
    const Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    const Descriptor read_end(ends[0]);
    Descriptor write_end(ends[1]);
    plan.file = file.get();
    plan.pipe = write_end.get();
    const int ended = run_apart([&]() -> int {
      first();
      run_snapshot_child(plan);
    });
    write_end.reset();
    Message message;
    while (::read(read_end.get(), &message, sizeof message) == sizeof message) said.push_back(message);
    return ended;
  }
  std::size_t signs_of_life() const {
    return std::count_if(said.begin(), said.end(), [](const Message& m) { return m.kind == Message::Kind::kProgress; });
  }
};

// What a writer did, in order: w(rite), d(ata sync), p(rogress), s(ync).
class RecordingSink final : public SnapshotSink {
 public:
  bool write(Bytes data) noexcept override {
    bytes_since_sync_ += data.size();
    most_unsynced = std::max(most_unsynced, bytes_since_sync_);
    return note('w');
  }
  bool sync_data() noexcept override {
    bytes_since_sync_ = 0;
    return note('d');
  }
  bool sync() noexcept override { return note('s'); }
  void progressed(const SnapshotProgress&) noexcept override { note('p'); }

  std::string done;  // runs of w are one
  std::size_t most_unsynced = 0;

 private:
  bool note(char what) {
    if (what != 'w' || done.empty() || done.back() != 'w') done += what;
    return true;
  }
  std::size_t bytes_since_sync_ = 0;
};

void on_signal(int) {}

}  // namespace

TEST_CASE("snapshot recipe: the thread that forks has every signal blocked, so that none arrives in the child") {
  ForkFixture fixture;
  fixture.fill(10);
  REQUIRE(fixture.begin().get().status.ok());
  int found = 0;
  for (const auto& thread : stdfs::directory_iterator("/proc/self/task")) {
    if (read_text(thread.path() / "comm") != "kv-fork\n") continue;
    ++found;
    const std::uint64_t blocked = signal_mask("self/task/" + thread.path().filename().string(), "SigBlk");
    for (int signal = 1; signal < 32; ++signal) {
      if (signal != SIGKILL && signal != SIGSTOP) CHECK((blocked & bit(signal)) != 0);
    }
  }
  CHECK(found == 1);
}

TEST_CASE("snapshot recipe: the child has put away signals and descriptors and stepped back before it writes") {
  struct sigaction handled {};
  handled.sa_handler = on_signal;
  struct sigaction old_user {
  }, old_hangup{};
  ::sigaction(SIGUSR1, &handled, &old_user);
  handled.sa_handler = SIG_IGN;
  ::sigaction(SIGHUP, &handled, &old_hangup);
  ForkFixture fixture;
  fixture.fill(10);
  std::future<SnapshotOutcome> outcome = fixture.begin_slow();
  const pid_t child = *fixture.forker->child();
  const std::string process = std::to_string(child);

  CHECK(signal_mask(process, "SigBlk") == 0);
  constexpr std::uint64_t kOfTheLibrary = std::uint64_t{3} << 31;  // 32 and 33: its own, which it lets nobody change
  CHECK((signal_mask(process, "SigCgt") & ~kOfTheLibrary) == 0);
  CHECK(signal_mask(process, "SigIgn") == (bit(SIGPIPE) | bit(SIGXFSZ)));
  std::vector<std::string> open;
  for (const auto& file : stdfs::directory_iterator("/proc/" + process + "/fd"))
    open.push_back(read_symlink(file.path()));
  std::sort(open.begin(), open.end());
  REQUIRE(open.size() == 2);
  CHECK(open[0] == fixture.directory.file("0000000000000001.snap.tmp"));
  CHECK(open[1].substr(0, 5) == "pipe:");
  CHECK(::getpriority(PRIO_PROCESS, child) == std::min(19, ::getpriority(PRIO_PROCESS, 0) + 10));
  CHECK(::syscall(SYS_ioprio_get, 1, child) == (2 << 13 | 7));  // best effort, level 7
  CHECK(read_text("/proc/" + process + "/oom_score_adj") == "1000\n");
  CHECK(read_text("/proc/" + process + "/comm") == "kv-snapshot\n");

  fixture.forker->cancel();
  outcome.wait();
  ::sigaction(SIGUSR1, &old_user, nullptr);
  ::sigaction(SIGHUP, &old_hangup, nullptr);
}

TEST_CASE("snapshot recipe: where the kernel forbids close_range the child still keeps two descriptors only") {
  BareChild child;
  child.plan.pause_per_write = std::chrono::hours(1);
  const int ended = run_apart([&]() -> int {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return 1;
    child.plan.file = ::open(child.path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    child.plan.pipe = ends[1];
    child.plan.parent = ::getpid();
    refuse_system_calls({SYS_close_range}, EPERM);
    const pid_t process = ::fork();
    if (process == 0) run_snapshot_child(child.plan);
    Message message;
    if (::read(ends[0], &message, sizeof message) != sizeof message) return 2;
    const auto all = stdfs::directory_iterator("/proc/" + std::to_string(process) + "/fd");
    const auto count = std::distance(begin(all), end(all));
    ::kill(process, SIGKILL);
    ::waitpid(process, nullptr, 0);
    return count == 2 ? 0 : 3;
  });
  CHECK(ended == 0);
}

TEST_CASE("snapshot recipe: a child whose parent is gone before it can ask to die with it writes nothing") {
  BareChild child;
  child.plan.parent = ::getppid();  // not the parent of the process that run() makes
  CHECK(child.run() == 1);
  CHECK(child.said.empty());
  CHECK(stdfs::file_size(child.path) == 0);
}

#ifdef KV_ALLOCATION_TRAP
TEST_CASE("snapshot recipe: the child allocates nothing and makes only the system calls of this list") {
  BareChild child;
  child.plan.sync_every_bytes = 64 << 10;
  const int ended = child.run([] {
    allow_only_system_calls({SYS_prctl, SYS_getppid, SYS_close_range, SYS_rt_sigaction, SYS_rt_sigprocmask,
                             SYS_getpriority, SYS_setpriority, SYS_ioprio_set, SYS_openat, SYS_read, SYS_close,
                             SYS_write, SYS_fdatasync, SYS_fsync, SYS_exit_group});
    forbid_allocation();
  });
  CHECK(ended == 0);
  REQUIRE_FALSE(child.said.empty());
  CHECK(child.said.back().kind == Message::Kind::kWritten);
  CHECK(child.said.back().totals.entries == 5000);
}
#endif

TEST_CASE(
    "snapshot recipe: the child gives a sign of life at the start, after each stretch of bytes and before the end") {
  BareChild child;
  child.plan.sync_every_bytes = 64 << 10;
  REQUIRE(child.run() == 0);
  const std::uint64_t stretches = stdfs::file_size(child.path) / child.plan.sync_every_bytes;
  CHECK(stretches >= 8);
  CHECK(child.signs_of_life() >= stretches);
  CHECK(child.signs_of_life() <= stretches + 2);
  CHECK(child.said.front().progress.bytes == 0);
}

TEST_CASE("snapshot recipe: no more than 32 MiB lie unsynced, and every sync is followed by a sign of life") {
  Store store({.shard_count = 1});
  for (int i = 0; i < 5; ++i) set(store, fmt::format("key-{}", i), std::string(16 << 20, 'v'), 1 + i);
  RecordingSink sink;
  std::vector<std::byte> buffer(4096);
  SnapshotWriter writer(sink, buffer, SnapshotForkerOptions().sync_every_bytes);
  REQUIRE(writer.begin(SnapshotFixture::example_header()));
  store.for_each_frozen([&](const Entry& entry) { REQUIRE(writer.add(record_of(entry.fields()))); });
  REQUIRE(writer.finish());
  CHECK(sink.done == "pwdpwdpwps");
  CHECK(sink.most_unsynced <= (32 << 20) + (1 << 20));
  CHECK(SnapshotForkerOptions().silence_max == std::chrono::seconds(30));
}

TEST_CASE("snapshot recipe: a fork that the system refuses is a failed snapshot, and the store goes on") {
  TempDirectory home;  // outlives the process
  const int ended = run_apart([&] {
    ::setenv("TMPDIR", home.path().c_str(), 1);
    ForkFixture fixture;
    fixture.fill(100);
    if (!fixture.begin(1).get().status.ok()) return 1;
    refuse_system_calls({SYS_clone, SYS_clone3}, EAGAIN);
    const SnapshotOutcome refused = fixture.begin(2).get();
    if (errno_of(refused.status) != EAGAIN || refused.fault != SnapshotFault::kFork) return 2;
    if (refused.status.ToString().find("fork") == std::string::npos) return 3;
    if (posix_file_system().list(fixture.directory.path())->size() != 1) return 4;
    set(fixture.store, "after", "1", 101);
    return fixture.store.totals().keys == 101 ? 0 : 5;
  });
  CHECK(ended == 0);
}

TEST_CASE("snapshot recipe: a child that wrote what the store did not count is a failed snapshot") {
  ForkFixture fixture;
  fixture.fill(100);
  // As a bad memory cell would: the shard's digest does not know.
  const HashedKey key("key-7");
  {
    const ReadLock lock = fixture.store.read(key);
    const std::string_view value = lock.find(key, 0)->value();
    const_cast<char*>(value.data())[0] ^= 1;
  }
  const SnapshotOutcome outcome = fixture.begin().get();
  CHECK(has_reason(outcome.status, Reason::kInternal));
  CHECK(outcome.fault == SnapshotFault::kMismatch);
  CHECK(fixture.directory_is_empty());
}

TEST_CASE("snapshot recipe: a file that does not read back as it was written is a failed snapshot") {
  ForkFixture fixture;
  fixture.fill(100);
  fixture.fs.damage_reads();
  const SnapshotOutcome outcome = fixture.begin().get();
  CHECK_FALSE(outcome.status.ok());
  CHECK(outcome.fault == SnapshotFault::kMismatch);
  CHECK(fixture.directory_is_empty());
}

TEST_CASE("snapshot recipe: the copied memory is what was written to while the child lived") {
  constexpr int kValues = 64;
  constexpr std::size_t kBytes = 1 << 16;
  ForkFixture fixture;
  fixture.options.pause_per_write = std::chrono::milliseconds(100);
  fixture.options.buffer_bytes = 8 << 20;  // all of it in one block, and few writes
  for (int i = 0; i < kValues; ++i)
    set(fixture.store, fmt::format("key-{}", i), std::string(kBytes, 'v'), ++fixture.last_revision);
  std::vector<std::uint64_t> copied;
  for (const bool write : {false, true}) {
    fixture.child_writes = false;
    std::future<SnapshotOutcome> outcome = fixture.begin(write ? 2 : 1);
    fixture.child_writes.wait(false);
    const pid_t child = *fixture.forker->child();
    ::kill(child, SIGSTOP);  // It waits before each of its writes, and now until it is told to go on.
    const std::uint64_t before = fixture.forker->copied_bytes();
    const std::string of_the_parent_alone(32 << 20, 'p');  // New since the fork: nothing of the child's.
    CHECK(fixture.forker->copied_bytes() < before + of_the_parent_alone.size() / 2);
    for (int i = 0; write && i < kValues; ++i) {
      const std::string name = fmt::format("key-{}", i);
      const HashedKey key(name);
      const ReadLock lock = fixture.store.read(key);
      const std::string_view value = lock.find(key, 0)->value();
      for (std::size_t at = 0; at < value.size(); at += 4096) const_cast<char*>(value.data())[at] = 'v';
    }
    if (write) CHECK(fixture.forker->copied_bytes() >= before + kValues * kBytes * 9 / 10);
    ::kill(child, SIGCONT);
    const SnapshotOutcome done = outcome.get();
    REQUIRE(done.status.ok());
    CHECK(fixture.forker->copied_bytes() == 0);
    REQUIRE(done.copied_bytes.has_value());
    copied.push_back(*done.copied_bytes);
  }
  CHECK(copied[1] >= copied[0] + kValues * kBytes * 9 / 10);
  CHECK(copied[1] <= copied[0] + kValues * kBytes * 2);
}

TEST_CASE("private memory: the kernel's words are read, and a text without them is not a number") {
  std::uint64_t bytes = 7;
  CHECK(private_memory_in(
      "00400000-7fff [rollup]\nShared_Dirty:  9 kB\nPrivate_Clean:    12 kB\nPrivate_Dirty:  3 kB\n", bytes));
  CHECK(bytes == 15 * 1024);
  for (const char* text :
       {"", "Private_Clean:  12 kB\n", "Private_Dirty:  12 kB", "Private_Clean: kB\nPrivate_Dirty: 1 kB\n"})
    CHECK_FALSE(private_memory_in(text, bytes));
  CHECK(bytes == 15 * 1024);
  CHECK(private_memory(bytes));
  CHECK(bytes > 100'000);
}

}  // namespace kv
