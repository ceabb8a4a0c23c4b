// import: what a line means, where to go on after an early end, and a whole file against the built server.
#include <algorithm>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include <catch2/catch.hpp>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/cli/entry_json.h"
#include "client/cli/expiry_text.h"
#include "client/cli/importer.h"
#include "client/cli/text.h"
#include "core/absl_text.h"
#include "tests/client/cutting_proxy.h"
#include "tests/client/desk.h"
#include "tests/client/fake_server.h"
#include "tests/support/running_server.h"
#include "tests/support/temp_directory.h"

using namespace kv;
using namespace std::chrono_literals;
using namespace std::string_literals;
using kvstore::v1::Durability;

namespace {

std::string refusal_of(std::string_view line) {
  const auto request = set_request_of(line);
  CAPTURE(line);
  REQUIRE_FALSE(request.ok());
  return std::string(message_of(request.status()));
}

// A server that answers when the test says so.
class SlowSink {
 public:
  BeginSet begin() {
    return [this](kvstore::v1::SetRequest request, SetDone done) {
      const std::scoped_lock lock(mutex_);
      begun_.push_back(request.key());
      waiting_.push_back(std::move(done));
      most_under_way_ = std::max(most_under_way_, ++under_way_);
      changed_.notify_all();
    };
  }
  void wait_begun(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return begun_.size() >= count; });
  }
  // The i-th write that was begun.
  void answer(std::size_t i, const absl::StatusOr<Durability>& confirmed = kvstore::v1::DURABILITY_DISK) {
    SetDone done;
    {
      const std::scoped_lock lock(mutex_);
      done = std::move(waiting_[i]);
      --under_way_;
    }
    done(confirmed);
  }
  int most_under_way() {
    const std::scoped_lock lock(mutex_);
    return most_under_way_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> begun_;
  int under_way_ = 0;
  int most_under_way_ = 0;
  std::vector<SetDone> waiting_;
};

// Runs an import of `text` on a thread of its own.
class RunningImport {
 public:
  RunningImport(SlowSink& sink, const std::string& text, ImportOptions options = {}) {
    const int input = ::memfd_create("lines", MFD_CLOEXEC);
    REQUIRE(::write(input, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    REQUIRE(::lseek(input, 0, SEEK_SET) == 0);
    options.interrupted = [this] {
      ++asked_;
      asked_.notify_all();
      return interrupted.load();
    };
    options.refused = [this](std::uint64_t line, const absl::Status&) { refused_lines.push_back(line); };
    thread_ = std::thread([this, &sink, options, descriptor = input] {
      Progress progress(nullptr);
      LineReader lines(descriptor);
      result_ = Importer(sink.begin(), options, progress).run(lines);
      ::close(descriptor);
    });
  }
  ImportResult end() {
    thread_.join();
    return result_;
  }
  // Until it has begun what it may begin: it asks whether it was interrupted when it comes to wait for something, which
  // is twice for each line, and again as long as it waits.
  void wait_stuck() {
    const int before = asked_;
    for (int now = before; now < before + 3; now = asked_) asked_.wait(now);
  }
  std::atomic<bool> interrupted{false};
  std::vector<std::uint64_t> refused_lines;

 private:
  std::atomic<int> asked_{0};
  std::thread thread_;
  ImportResult result_;
};

std::vector<std::string> sorted_lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  std::sort(lines.begin(), lines.end());
  return lines;
}

std::string line_of(const std::string& key) { return R"({"key":")" + key + R"(","value":"v"})" + "\n"; }

}  // namespace

TEST_CASE("import: a line is an entry, its bytes and its expiry kept to the millisecond") {
  const auto text = set_request_of(R"({"key":"a","value":"é\n"})");
  REQUIRE(text.ok());
  CHECK(text->key() == "a");
  CHECK(text->value() == "é\n");
  CHECK_FALSE(text->has_expiry());
  const auto bytes =
      set_request_of(R"({"key_base64":"/wA=","value_base64":"","expire_time":"2030-01-01T00:00:00.250Z"})");
  REQUIRE(bytes.ok());
  CHECK(bytes->key() == "\xff\0"s);
  CHECK(bytes->value().empty());
  CHECK(unix_millis(bytes->expiry().at()) == 1'893'456'000'250);
}

TEST_CASE("import: what a line says and we do not understand is refused, not passed over") {
  CHECK(refusal_of("") == "is no JSON object");
  CHECK(refusal_of("[1]") == "is no JSON object");
  CHECK(refusal_of(R"({"key":"a","value":"b")") == "is no JSON object");
  CHECK(refusal_of(R"({"key":"a","value":"b","ttl":5})") == "has the unknown field ttl");
  CHECK(refusal_of(R"({"value":"b"})") == "needs one of key and key_base64");
  CHECK(refusal_of(R"({"key":"a","key_base64":"YQ==","value":"b"})") == "needs one of key and key_base64");
  CHECK(refusal_of(R"({"key":1,"value":"b"})") == "key is no string");
  CHECK(refusal_of(R"({"key":"a","value_base64":"YQ="})") == "value_base64 is not base64");
  CHECK(refusal_of(R"({"key":"a","value_base64":"Y=Q="})") == "value_base64 is not base64");
  CHECK(refusal_of(R"({"key":"a","value":"b","expire_time":"soon"})") ==
        "'soon' is no moment such as 2030-01-31T08:00:00Z");
}

TEST_CASE("import: base64 of any bytes reads back as the same bytes") {
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    CHECK(bytes_of_base64(base64(bytes)) == bytes);
    bytes += static_cast<char>(i * 7);
  }
}

TEST_CASE("import: the offset passes only over lines before which everything is confirmed") {
  SlowSink sink;
  RunningImport running(sink, line_of("a") + line_of("b") + "\n" + line_of("c") + line_of("d"));
  sink.wait_begun(4);
  sink.answer(0);
  sink.answer(2);
  sink.answer(3);
  running.interrupted = true;
  sink.answer(1, absl::CancelledError("given up"));
  const ImportResult result = running.end();
  CHECK(absl::IsCancelled(result.status));
  CHECK(result.entries == 1);
  CHECK(result.place.offset == line_of("a").size());
}

TEST_CASE("import: no more than its bound of bytes is under way, and a larger line alone") {
  SlowSink sink;
  const auto line_with = [](const std::string& key, std::size_t bytes) {
    return R"({"key":")" + key + R"(","value":")" + std::string(bytes, 'v') + "\"}\n";
  };
  const std::string large = line_with("b", kImportBytesMax + 1);
  RunningImport running(sink, line_of("a") + large + line_of("c") + line_with("d", 20'000'000) + line_of("e"));
  for (std::size_t line = 0; line < 5; ++line) {
    sink.wait_begun(line + 1);
    running.wait_stuck();
    sink.answer(line);
  }
  CHECK(sink.most_under_way() == 1);
  CHECK(running.end().entries == 5);
}

TEST_CASE("import: over connections that are cut the last line of each key is what stays") {
  constexpr int kLines = 30'000;
  constexpr int kKeys = 7;
  const TempDirectory folder;
  const std::string file = folder.path() + "/entries";
  {
    std::ofstream out(file);
    for (int i = 0; i < kLines; ++i) {
      out << R"({"key":"k)" << i % kKeys << R"(","value":")" << i << "\"}\n";
    }
  }
  RunningServer server({folder.path() + "/data", {"--mode", "NON_PERSISTENT"}, {}, {}});
  CuttingProxy proxy(server.address());
  Desk desk(proxy.target(), {.timeout = 60s});
  proxy.cut_at_data(20);
  CHECK(desk.type("import " + file) == ExitCode::kDone);
  CHECK(desk.out == "Imported 30000 entries\n");
  CHECK(proxy.cuts() == 1);
  for (int key = 0; key < kKeys; ++key) {
    const int last = kLines - 1 - (kLines - 1 - key) % kKeys;
    desk.type("get k" + std::to_string(key));
    CHECK(desk.out == "Value: " + std::to_string(last) + "\n");
  }
}

TEST_CASE("import: a wrong line ends it there, with everything before it confirmed") {
  SlowSink sink;
  RunningImport running(sink, line_of("a") + line_of("b") + "{}\n" + line_of("c"));
  sink.wait_begun(2);
  sink.answer(1);
  sink.answer(0);
  const ImportResult result = running.end();
  CHECK(absl::IsInvalidArgument(result.status));
  CHECK(result.line == 3);
  CHECK(result.entries == 2);
  CHECK(result.place.offset == 2 * line_of("a").size());
}

TEST_CASE("import: with keep_going wrong and refused lines are counted, other failures still end it") {
  SlowSink sink;
  RunningImport running(sink, line_of("a") + "{}\n" + line_of("b") + line_of("c"), {.keep_going = true});
  sink.wait_begun(3);
  sink.answer(0, absl::InvalidArgumentError("KEY_TOO_LARGE: x"));
  sink.answer(1);
  sink.answer(2, absl::UnavailableError("gone"));
  const ImportResult result = running.end();
  CHECK(absl::IsUnavailable(result.status));
  CHECK(result.entries == 1);
  CHECK(result.refused == 2);
  CHECK(running.refused_lines.size() == 2);
  CHECK(result.place.offset == 2 * line_of("a").size() + 3);
}

TEST_CASE("import: the command says how far it came and goes on from its state file") {
  FakeServer server;
  const TempDirectory folder;
  const std::string file = folder.path() + "/entries";
  const std::string state = folder.path() + "/state";
  std::ofstream(file) << line_of("a") << line_of("b") << "oops\n" << line_of("c");
  Desk desk(server.target());
  CHECK(desk.type("import " + file + " --state " + state) == ExitCode::kUsage);
  const std::string offset = std::to_string(2 * line_of("a").size());
  CHECK(desk.error ==
        "Import failed: line 3: is no JSON object\n2 entries are imported; go on with --offset " + offset + "\n");
  CHECK(desk.type("import other --state " + state) == ExitCode::kUsage);
  CHECK(desk.error == state + " is the state of importing another file: " + file + "\n");
  std::ofstream(file) << line_of("a") << line_of("b") << "    \n" << line_of("c");
  CHECK(desk.type("import " + file + " --state " + state) == ExitCode::kDone);
  CHECK(desk.out == "Imported 1 entries\n");
  CHECK(server.data().size() == 3);
  CHECK_FALSE(std::filesystem::exists(state));
  CHECK(desk.type("import " + file + " --offset 9999") == ExitCode::kUsage);
  CHECK(desk.error == "Import failed: " + file + " ends before offset 9999\n");
  CHECK(desk.type("import " + folder.path() + "/none") == ExitCode::kUsage);
}

TEST_CASE("import: a state file is of one file, whose lines before the place are still the same") {
  FakeServer server;
  const TempDirectory folder;
  const std::string file = folder.path() + "/entries \xff";  // of any bytes, as names are
  const std::string state = folder.path() + "/state";
  const std::string import = "import \"" + folder.path() + "/entries \\xff\" --state " + state;
  const auto made_of = [&](const std::string& text) { std::ofstream(file, std::ios::trunc) << text; };
  const auto set_again = [&] { return server.data().size(); };
  made_of(line_of("a") + line_of("b") + "oops\n");
  Desk desk(server.target());
  REQUIRE(desk.type(import) == ExitCode::kUsage);
  REQUIRE(std::filesystem::exists(state));
  REQUIRE(set_again() == 2);
  // Another file of that name, as long as the first: nothing of it is passed over.
  made_of(line_of("c") + line_of("d") + line_of("e"));
  CHECK(desk.type(import) == ExitCode::kUsage);
  CHECK_THAT(desk.error, Catch::Matchers::Contains("is not the file that " + state + " is the state of"));
  CHECK(set_again() == 2);
  // The same one, mended behind the place, and given by another copy of it.
  made_of(line_of("a") + line_of("b") + line_of("e"));
  CHECK(desk.type(import) == ExitCode::kDone);
  CHECK(desk.out == "Imported 1 entries\n");
  CHECK(set_again() == 3);
}

TEST_CASE("import: a state file that cannot be read is no beginning") {
  FakeServer server;
  const TempDirectory folder;
  const std::string file = folder.path() + "/entries";
  std::ofstream(file) << line_of("a");
  Desk desk(server.target());
  CHECK(desk.type("import " + file + " --state " + file + "/state") == ExitCode::kUsage);  // "Not a directory"
  CHECK(desk.error == "cannot read " + file + "/state: Not a directory\n");
  CHECK(server.data().empty());
  const std::string state = folder.path() + "/state";
  std::ofstream(state) << R"({"file":")" << file << R"(","offset":0})";
  CHECK(desk.type("import " + file + " --state " + state) == ExitCode::kUsage);
  CHECK(desk.error == state + " is no state of an import\n");
}

TEST_CASE("import: the lowest level counts of the lines before the place, not of those behind it") {
  SlowSink sink;
  RunningImport running(sink, line_of("a") + line_of("b") + line_of("c") + line_of("d"));
  sink.wait_begun(4);
  sink.answer(0, kvstore::v1::DURABILITY_OS);
  sink.answer(1);
  sink.answer(3, kvstore::v1::DURABILITY_MEMORY);
  sink.answer(2, absl::UnavailableError("gone"));
  const ImportResult result = running.end();
  CHECK(result.entries == 2);
  CHECK(result.level == kvstore::v1::DURABILITY_OS);
}

TEST_CASE("import: 100,000 entries of any bytes, interrupted and gone on with, are exported as they were") {
  constexpr int kEntries = 100'000;
  const TempDirectory folder;
  const std::string file = folder.path() + "/entries";
  const std::string state = folder.path() + "/state";
  const auto key_of = [](int i) { return "k\xff"s + std::to_string(i) + "\0"s; };
  const auto expires = [](int i) { return i % 3 == 0; };
  constexpr std::int64_t kThen = 4'000'000'000'123;
  {
    std::ofstream out(file);
    for (int i = 0; i < kEntries; ++i) {
      kvstore::v1::Entry entry;
      entry.set_key(key_of(i));
      entry.set_value(i % 2 == 0 ? "text " + std::to_string(i) : "\xfe"s + std::to_string(i));
      if (expires(i)) *entry.mutable_expire_time() = timestamp_of(kThen + i);
      out << json_of(entry, true).dump() << "\n";
    }
  }
  RunningServer server({folder.path() + "/data", {"--mode", "NON_PERSISTENT"}, {}, {}});
  Desk desk(server.address(), {.timeout = 60s});
  // First it comes through a pipe, from somebody who waits for some of it to be set and then presses Ctrl-C.
  std::signal(SIGPIPE, SIG_IGN);  // The import may be gone before the last line.
  const std::string pipe = folder.path() + "/pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  std::thread person([&] {
    std::ofstream out(pipe);
    std::ifstream in(file);
    std::string line;
    for (int i = 0; i < kEntries / 2 && std::getline(in, line); ++i) out << line << "\n";
    out << std::flush;
    Client client({.target = server.address()});
    while (wait(client.call(methods::kGetStatus, kvstore::v1::GetStatusRequest()))->revision() < kEntries / 4) {
    }
    desk.interrupted = true;
    if (std::getline(in, line)) out << line << "\n" << std::flush;  // Lest it waits for one more.
  });
  CHECK(desk.type("import " + pipe + " --state " + state) == ExitCode::kInterrupted);
  person.join();
  CHECK(load_import_state(state, pipe).value().place.offset > 0);
  desk.interrupted = false;
  std::filesystem::remove(pipe);
  std::filesystem::copy(file, pipe);
  CHECK(desk.type("import " + pipe + " --state " + state) == ExitCode::kDone);

  CHECK(desk.type("export") == ExitCode::kDone);
  std::stringstream imported;
  imported << std::ifstream(file).rdbuf();
  CHECK(sorted_lines(desk.out) == sorted_lines(imported.str()));
}
