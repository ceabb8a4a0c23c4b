// full_disk: rounds of filling the disk under the server and freeing it again.
//
// The data lies on a small ext4 image. Each round: a ballast file takes all space; sets go on until one is refused;
// while the disk is full every read must be answered, and rightly; the ballast goes, and a write must be taken again
// within 5 s. Every third round ends with a kill while the disk is full. A refused write must not be there: not in
// memory, and not after a restart.

#include <chrono>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <iostream>
#include <stdexcept>

#include <fcntl.h>
#include <grpcpp/client_context.h>
#include <unistd.h>

#include "core/descriptor.h"
#include "kvstore/kvstore.grpc.pb.h"
#include "tests/crash/checker.h"
#include "tests/crash/history.h"
#include "tests/crash/value.h"
#include "tests/crash/workload.h"
#include "tests/support/loop_disk.h"
#include "tests/support/running_server.h"
#include "tests/support/server_torture.h"

namespace kv::crash {
namespace {

namespace fs = std::filesystem;
using std::chrono::steady_clock;

struct Options : ServerTortureOptions {
  Options() { cycles = 4; }
};

// Without the ballast there is room for all that the server may want at once: a group of segments that each take the
// largest record (64 MiB), the log since the snapshot before last, what a killed server left, and a snapshot.
constexpr std::uint64_t kDiskBytes = 256 << 20;
constexpr std::size_t kValueBytes = 100'000;
constexpr std::uint64_t kKeys = 60;
constexpr std::uint64_t kSetsBetweenFills = 20;
constexpr std::chrono::seconds kBackWithin{5};

class Rounds {
 public:
  explicit Rounds(const Options& options)
      : options_(options),
        random_(options.seed),
        directory_{fmt::format("{}/full-{}", options.work_directory, ::getpid())},
        disk_("ext4", directory_.path, kDiskBytes) {}

  void run() {
    const TortureTime time(options_.seconds);
    RunningServer server(
        {.data_directory = disk_.path() + "/data",
         .flags = {"--mode", options_.mode, "--fsync", options_.fsync, "--log-segment-size", "1MiB", "--max-snapshots",
                   "2", "--log-rewrite-growth", "20%", "--log-rewrite-min-size", "4MiB", "--snapshot-interval", "2s"},
         .environment = {},
         .wrapper = {}});
    connect_to(server);
    for (std::uint64_t round = 1; round <= options_.cycles && !time.is_over(); ++round) one_round(server, round);
    const int code = server.stop();
    if (code != 0) throw std::runtime_error(fmt::format("a clean stop exited {}\n{}", code, server.log()));
  }
  std::uint64_t rounds() const { return rounds_; }
  std::vector<std::pair<std::string, std::uint64_t>> counts() const {
    return {{"acknowledged", acknowledged_}, {"refused", refused_}, {"reads_while_full", reads_}, {"kills", kills_}};
  }

 private:
  // Gone at the end, when it is empty.
  struct Directory {
    ~Directory() {
      std::error_code ignored;
      fs::remove(path, ignored);
    }
    const std::string path;
  };

  void connect_to(RunningServer& server) { stub_ = kvstore::KeyValueStore::NewStub(connect(server.address())); }

  void one_round(RunningServer& server, std::uint64_t round) {
    for (int i = 0; i < 20; ++i) require_set(server);
    // What is preallocated still takes writes, at most as many as the image could hold; what a compaction or a trimmed
    // log gives back meanwhile is taken too.
    bool refused = false;
    for (std::uint64_t i = 0; i < 2 * kDiskBytes / kValueBytes && !refused; ++i) {
      if (i % kSetsBetweenFills == 0) fill();
      refused = !set().ok();
    }
    if (!refused) throw std::runtime_error("a full disk refused nothing");
    for (int i = 0; i < 10; ++i) set();
    read_everything(server, Owed{});
    reads_ += kKeys;
    if (round % 3 == 0) {
      server.kill();
      ++kills_;
      free();
      server.start();
      history_.crashed();
      connect_to(server);
      read_everything(server, Owed{});
    } else {
      free();
    }
    come_back(server);
    ++rounds_;
    std::cout << fmt::format("round {:>3}: {} acknowledged, {} refused so far\n", round, acknowledged_, refused_)
              << std::flush;
  }

  // Takes the last block, as root's reserve would still give some: fallocate of halves, then bytes.
  void fill() {
    const Descriptor ballast(::open(ballast_path().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!ballast.valid()) throw std::runtime_error("no ballast");
    off_t at = ::lseek(ballast.get(), 0, SEEK_END);
    if (at < 0) throw std::runtime_error("no end of the ballast");
    for (off_t piece = kDiskBytes; piece >= 4096;) {
      if (::posix_fallocate(ballast.get(), at, piece) == 0) {
        at += piece;
      } else {
        piece /= 2;
      }
    }
  }
  void free() { fs::remove(ballast_path()); }
  std::string ballast_path() const { return disk_.path() + "/ballast"; }

  // A refusal that says "not applied" is no open write: it must not show, so it is noted as nothing at all.
  grpc::Status set() {
    const std::string key = fmt::format("key {}", random_() % kKeys);
    const WriteId id{1, ++counter_};
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    context.AddMetadata("kvstore-want-trailers", "1");
    kvstore::SetRequest request;
    request.set_key(key);
    request.set_value(make_value(key, id, kValueBytes));
    google::protobuf::Empty response;
    const grpc::Status status = stub_->Set(&context, request, &response);
    if (status.ok()) {
      const History::Intent intent = history_.begin_set(key, id);
      history_.acknowledge(intent);
      ++acknowledged_;
      return status;
    }
    if (status.error_message().find("WRITES_SUSPENDED") == std::string::npos) {
      throw std::runtime_error("a full disk is answered with: " + status.error_message());
    }
    ++refused_;
    return status;
  }
  void require_set(RunningServer& server) {
    const grpc::Status status = set();
    if (!status.ok())
      throw std::runtime_error("a write with space was refused: " + status.error_message() + "\n" + server.log());
  }

  void read_everything(RunningServer& server, Owed owed) {
    const Check check = check_everything(server.address(), history_, owed);
    if (check.findings.empty()) return;
    std::string text = "while the disk is full, or after:";
    for (const std::string& finding : check.findings) text += "\n  " + finding;
    throw std::runtime_error(text + "\n" + server.log());
  }

  // A refusal comes at once, so this asks until it does not.
  void come_back(RunningServer& server) {
    const auto bound = steady_clock::now() + kBackWithin;
    while (!set().ok()) {
      if (steady_clock::now() > bound) throw std::runtime_error("writes did not come back within 5 s\n" + server.log());
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

  const Options options_;
  std::mt19937_64 random_;
  const Directory directory_;
  LoopDisk disk_;
  History history_;
  std::unique_ptr<kvstore::KeyValueStore::Stub> stub_;
  std::uint64_t counter_ = 0;
  std::uint64_t rounds_ = 0;
  std::uint64_t acknowledged_ = 0;
  std::uint64_t refused_ = 0;
  std::uint64_t reads_ = 0;
  std::uint64_t kills_ = 0;
};

int run(const Options& options) {
  std::cout << fmt::format("full_disk: mode {}, {} rounds, seed {}\n", options.mode, options.cycles, options.seed);
  Rounds rounds(options);
  const bool passed = runs_to_its_end(
      options.seed, [&] { rounds.run(); }, [] { return "The disk is not kept."; });
  print({.suite = "full",
         .variant = options.variant(),
         .cycles = rounds.rounds(),
         .seed = options.seed,
         .counts = rounds.counts(),
         .passed = passed});
  return passed ? 0 : 1;
}

}  // namespace
}  // namespace kv::crash

// What ctest takes for "not run"; for everybody else it is a failure as any.
constexpr int kSkipped = 77;

int main(int argc, char** argv) {
  kv::crash::Options options;
  CLI::App app("Fills the disk under a server and frees it again, in rounds.");
  options.add_to(app, "how many rounds", {"aof", "hybrid"});
  CLI11_PARSE(app, argc, argv);
  options.use_server();
  try {
    return kv::crash::run(options);
  } catch (const kv::NoLoopDisk& reason) {
    std::cerr << "full_disk: SKIPPED, no disk of its own: " << reason.what() << '\n';
    return kSkipped;
  } catch (const std::exception& failure) {
    std::cerr << "full_disk: " << failure.what() << '\n';
    return 2;
  }
}
