// The built kvstore_server as a child process: what a user starts, on a port of its own choosing.
//
// Hard part: nothing sleeps. start() waits for the line "serving on HOST:PORT" in the server's log, and every other
// wait is for a line of the log or for the end of the process; each has a bound, after which the log so far is in the
// error.
//
// Threads:  one thread, that of the test. The log is read by a thread of this object.
// Lifetime: the destructor kills what still runs. The data directory is the caller's and outlives it.
// Errors:   std::runtime_error with the server's log; a test that meets one fails.
#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <sys/types.h>

namespace kv {

struct ServerOptions {
  std::string data_directory;
  std::vector<std::string> flags;                  // beside --listen and --data-dir
  std::map<std::string, std::string> environment;  // added to this process's own
  std::vector<std::string> wrapper;                // a command in front of the server: strace, a shell with a ulimit
};

class RunningServer {
 public:
  // Starts it and waits until it serves.
  explicit RunningServer(ServerOptions options);
  ~RunningServer();
  RunningServer(const RunningServer&) = delete;
  RunningServer& operator=(const RunningServer&) = delete;

  // Starts it again, on the same data, after kill(), stop() or an end of its own.
  void start();
  // Starts it without waiting for it to serve.
  void start_only();
  // Starts it and waits for its end: its exit code, or kServes when it serves instead; then it is killed.
  static constexpr int kServes = -1;
  int start_that_ends();

  // SIGKILL, and waits until the process is gone.
  void kill();
  // SIGTERM, waits for the end, and gives the exit code.
  int stop();
  void signal(int number);
  // Waits for the end; 128 + the number of the signal that ended it.
  int exit_code();
  // The same, but nothing when the process still runs after the bound.
  std::optional<int> exit_code_within(std::chrono::seconds bound);
  bool running();

  // Waits until the log of this start holds `text`, and gives the line.
  std::string wait_for_line(const std::string& text, std::chrono::seconds bound = std::chrono::seconds(30));
  // Everything the server printed since the last start.
  std::string log();

  const std::string& address() const noexcept { return address_; }  // "127.0.0.1:PORT"
  pid_t pid() const noexcept { return pid_; }
  const std::string& data_directory() const noexcept { return options_.data_directory; }
  ServerOptions& options() noexcept { return options_; }

  // The binary: $KVSTORE_SERVER, or the one of this build.
  static std::string binary();

 private:
  void read_log(int descriptor);
  void finish(int status);

  ServerOptions options_;
  std::string address_;
  pid_t pid_ = -1;
  int exit_code_ = 0;

  std::thread reader_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string log_;
  bool ended_ = true;  // the log has come to its end
};

}  // namespace kv
