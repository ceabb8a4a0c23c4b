// The bars of long work: on a terminal and nowhere else, and gone before anything is printed in their place.
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>
#include <regex>
#include <thread>

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/descriptor.h"
#include "tests/persistence/storage_fixture.h"
#include "tests/support/disk_faults.h"
#include "tests/support/temp_directory.h"
#include "tests/tools/slow_disk.h"
#include "tests/tools/tool_fixture.h"

namespace kv {
namespace {

using std::chrono::milliseconds;

// A little longer than a bar lets wait for itself (core/progress.cc).
constexpr milliseconds kWorthABar{700};

// Bars are all that was drawn, one of them of `what`, and nothing is left at the end.
bool is_bar(const std::string& drawn, const std::string& what) {
  const std::string clear = "\r\x1b[K";
  const std::regex bar("([a-z' ]+) \\[#* *\\] +[0-9]+%(  [0-9a-z ]+ left)?");
  bool found = false;
  for (std::size_t at = 0; at < drawn.size();) {
    if (drawn.compare(at, clear.size(), clear) != 0) return false;
    at += clear.size();
    const std::string line = drawn.substr(at, drawn.find(clear, at) - at);
    at += line.size();
    std::smatch parts;
    if (!line.empty() && !std::regex_match(line, parts, bar)) return false;
    found = found || (!line.empty() && parts[1] == what);
  }
  return found && drawn.ends_with(clear);
}

// The tool with a terminal for its bar.
class BarRun {
 public:
  BarRun(const tools::Words& words, FileSystem& fs) {
    {
      tools::Screen screen(out_.file, error_.file, bar_.file, words.format);
      code_ = tools::run_command(fs, words, screen);
    }
    for (Stream* stream : {&out_, &error_, &bar_}) std::fflush(stream->file);
  }

  int code() const { return static_cast<int>(code_); }
  std::string out() const { return {out_.bytes, out_.size}; }
  std::string error() const { return {error_.bytes, error_.size}; }
  // All that the terminal was sent.
  std::string bar() const { return {bar_.bytes, bar_.size}; }

 private:
  struct Stream {
    Stream() = default;
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;
    ~Stream() {
      std::fclose(file);
      std::free(bytes);
    }
    char* bytes = nullptr;
    std::size_t size = 0;
    std::FILE* file = ::open_memstream(&bytes, &size);
  };

  Stream out_, error_, bar_;
  tools::ExitCode code_;
};

// A store with a log of a few MiB and a snapshot of as many.
struct Big {
  Big() : server(Mode::kHybrid) {
    server.give("log-segment-size", "1MiB");
    server.start();
    put_noise("key");
    REQUIRE(server.snapshot().ok());
    put_noise("later");
    REQUIRE(server.stop().ok());
  }
  // Values that no snapshot makes smaller.
  void put_noise(const std::string& prefix) {
    for (int i = 0; i < 30; ++i) {
      std::string value(100'000, '\0');
      for (char& c : value) c = static_cast<char>(random());
      server.put(prefix + std::to_string(i), value);
    }
  }
  StorageFixture server;
  std::minstd_rand random;
  TempDirectory copies;
};

TEST_CASE("progress: on a slow disk a bar says what is read and how far it is, and is gone before the report") {
  Big store;
  SlowDisk disk(milliseconds(80));
  const BarRun run(words("check", store.server.path()), disk);
  CHECK(run.code() == 0);
  INFO(run.bar());
  CHECK(is_bar(run.bar(), "reading a snapshot"));
  CHECK(is_bar(run.bar(), "reading the log"));
  // It has a place of its own: what programs read is as it would be without.
  CHECK(run.out() == ToolRun(words("check", store.server.path())).out());
  CHECK(run.error().empty());
}

TEST_CASE("progress: without a terminal nothing is drawn, however long it takes") {
  Big store;
  SlowDisk disk(milliseconds(80));
  const auto began = std::chrono::steady_clock::now();
  const ToolRun run(words("digest", store.server.path()), disk);
  CHECK(std::chrono::steady_clock::now() - began > kWorthABar);
  CHECK(run.code() == 0);
  CHECK(run.error().empty());
  CHECK(run.out().find('\r') == std::string::npos);
}

TEST_CASE("progress: what is done at once has no bar") {
  StorageFixture server(Mode::kHybrid);
  server.start();
  server.put("a", "1");
  REQUIRE(server.stop().ok());
  const BarRun run(words("check", server.path()), posix_file_system());
  CHECK(run.code() == 0);
  CHECK(run.bar().empty());
}

TEST_CASE("progress: repair says what it saves, and import what it imports") {
  Big store;
  const std::string first = "aof/0000000000000001.aof";
  std::string bytes = store.server.read(first);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  store.server.overwrite(first, bytes);
  SlowDisk disk(milliseconds(80));
  const BarRun repaired(words("repair", store.server.path(), store.copies.file("new")), disk);
  CHECK(repaired.code() == 8);
  INFO(repaired.bar());
  CHECK(is_bar(repaired.bar(), "saving the log's records"));

  REQUIRE(posix_file_system().make_directory(store.copies.file("s")).ok());
  REQUIRE(posix_file_system().make_directory(store.copies.file("l")).ok());
  std::ofstream log(store.copies.file("l/appendonly-20240101T120000.aof"));
  for (int i = 0; i < 40; ++i) log << "SET key" << i << ' ' << std::string(100'000, 'v') << '\n';
  log.close();
  tools::Words import = words("import-original", store.copies.file("s"), store.copies.file("imported"));
  import.second_path = store.copies.file("l");
  const BarRun imported(import, disk);
  CHECK(imported.code() == 0);
  INFO(imported.bar());
  CHECK(is_bar(imported.bar(), "reading a log"));
}

// ---- The program, whose standard error is a terminal ------------------------------------------------------------

// `disk-check` in a process of its own, on a disk whose first sync hangs for a while.
class Process {
 public:
  explicit Process(bool on_terminal) {
    if (on_terminal) {
      int us = -1, it = -1;
      REQUIRE(::openpty(&us, &it, nullptr, nullptr, nullptr) == 0);
      reading_ = Descriptor(us);
      writing_ = Descriptor(it);
    } else {
      int ends[2];
      REQUIRE(::pipe(ends) == 0);
      reading_ = Descriptor(ends[0]);
      writing_ = Descriptor(ends[1]);
    }
    faults_.begin("sync_hangs");
    start();
    faults_.wait_until_delivered();
    std::this_thread::sleep_for(kWorthABar);  // No event: a bar is drawn when time has passed.
    faults_.end("sync_hangs");
  }

  // What it wrote to standard error until it ended, which must be well.
  std::string error() {
    std::string text;
    char buffer[4096];
    while (true) {
      const ssize_t got = ::read(reading_.get(), buffer, sizeof buffer);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) break;  // A terminal without its other end: EIO.
      text.append(buffer, static_cast<std::size_t>(got));
    }
    int status = -1;
    REQUIRE(::waitpid(child_, &status, 0) == child_);
    CHECK(status == 0);
    return text;
  }

 private:
  void start() {
    std::vector<std::string> environment;
    for (const auto& [name, value] : faults_.environment()) environment.push_back(name + "=" + value);
    std::vector<char*> pointers;
    for (std::string& one : environment) pointers.push_back(one.data());
    pointers.push_back(nullptr);
    std::string program = KV_TOOL_BINARY, command = "disk-check", path = directory_.path();
    char* const arguments[] = {program.data(), command.data(), path.data(), nullptr};
    child_ = ::fork();
    REQUIRE(child_ >= 0);
    if (child_ == 0) {
      const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
      if (::dup2(nowhere, STDOUT_FILENO) < 0 || ::dup2(writing_.get(), STDERR_FILENO) < 0) ::_exit(126);
      ::close(reading_.get());
      ::close(writing_.get());
      ::execve(program.c_str(), arguments, pointers.data());
      ::_exit(127);
    }
    writing_ = Descriptor();
  }

  TempDirectory directory_;
  DiskFaults faults_;
  Descriptor reading_, writing_;
  pid_t child_ = -1;
};

TEST_CASE("progress: the program draws its bar on a terminal, and writes nothing of it into a pipe") {
  const std::string terminal = Process(true).error();
  INFO(terminal);
  CHECK(is_bar(terminal, "asking the disk"));
  CHECK(Process(false).error().empty());
}

}  // namespace
}  // namespace kv
