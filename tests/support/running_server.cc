#include "tests/support/running_server.h"

#include <cstdlib>
#include <stdexcept>
#include <utility>

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace kv {
namespace {

constexpr std::string_view kServing = "serving on ";

// The process must not inherit KVSTORE_ variables of whoever runs the tests.
std::vector<std::string> environment_with(const std::map<std::string, std::string>& added) {
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (std::string_view(*variable).substr(0, 8) != "KVSTORE_") variables.emplace_back(*variable);
  }
  for (const auto& [name, value] : added) variables.push_back(name + "=" + value);
  return variables;
}

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> result;
  result.reserve(words.size() + 1);
  for (std::string& word : words) result.push_back(word.data());
  result.push_back(nullptr);
  return result;
}

// Starts `command` with both outputs on one pipe; gives the process and the pipe's reading end.
std::pair<pid_t, int> spawn(std::vector<std::string> command, std::vector<std::string> environment) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe2 failed");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
  pid_t pid = -1;
  const int error = ::posix_spawnp(&pid, command.front().c_str(), &actions, nullptr, pointers(command).data(),
                                   pointers(environment).data());
  posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  if (error != 0) {
    ::close(ends[0]);
    throw std::runtime_error("cannot start " + command.front());
  }
  return {pid, ends[0]};
}

}  // namespace

std::string RunningServer::binary() {
  const char* given = std::getenv("KVSTORE_SERVER");
  return given != nullptr ? given : KV_SERVER_BINARY;
}

RunningServer::RunningServer(ServerOptions options) : options_(std::move(options)) {
  try {
    start();
  } catch (...) {
    kill();  // and with it the thread that reads its log
    throw;
  }
}

RunningServer::~RunningServer() { kill(); }

void RunningServer::start_only() {
  kill();
  std::vector<std::string> command = options_.wrapper;
  for (const std::string& word : {binary(), std::string("--listen"), std::string("127.0.0.1:0"),
                                  std::string("--data-dir"), options_.data_directory}) {
    command.push_back(word);
  }
  command.insert(command.end(), options_.flags.begin(), options_.flags.end());
  log_.clear();
  ended_ = false;
  const auto [pid, descriptor] = spawn(std::move(command), environment_with(options_.environment));
  pid_ = pid;
  reader_ = std::thread([this, descriptor = descriptor] { read_log(descriptor); });
}

int RunningServer::start_that_ends() {
  start_only();
  bool serves = false;
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] {
      serves = log_.find(kServing) != log_.npos;
      return serves || ended_;
    });
  }
  if (!serves) return exit_code();
  kill();
  return kServes;
}

void RunningServer::start() {
  start_only();
  const std::string line = wait_for_line(std::string(kServing));
  const std::size_t from = line.find(kServing) + kServing.size();
  address_ = line.substr(from, line.find_first_of(" ,\"\n", from) - from);
}

void RunningServer::read_log(int descriptor) {
  char buffer[4096];
  while (true) {
    const ssize_t got = ::read(descriptor, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    std::lock_guard lock(mutex_);
    if (got > 0) log_.append(buffer, static_cast<std::size_t>(got));
    if (got <= 0) ended_ = true;
    changed_.notify_all();
    if (got <= 0) break;
  }
  ::close(descriptor);
}

std::string RunningServer::wait_for_line(const std::string& text, std::chrono::seconds bound) {
  std::unique_lock lock(mutex_);
  std::size_t at = std::string::npos;
  std::size_t end = std::string::npos;
  const bool found = changed_.wait_for(lock, bound, [&] {
    at = log_.find(text);
    if (at != std::string::npos) end = log_.find('\n', at);
    return end != std::string::npos || ended_;
  });
  if (!found || end == std::string::npos) {
    throw std::runtime_error("no line with '" + text + "' in the server's log:\n" + log_);
  }
  const std::size_t begin = log_.rfind('\n', at);
  return log_.substr(begin == std::string::npos ? 0 : begin + 1, end - (begin == std::string::npos ? 0 : begin + 1));
}

std::string RunningServer::log() {
  std::lock_guard lock(mutex_);
  return log_;
}

void RunningServer::signal(int number) {
  if (pid_ > 0) ::kill(pid_, number);
}

void RunningServer::kill() {
  if (pid_ <= 0) return;
  signal(SIGKILL);
  exit_code();
}

int RunningServer::stop() {
  signal(SIGTERM);
  return exit_code();
}

bool RunningServer::running() {
  if (pid_ <= 0) return false;
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) == 0) return true;
  finish(status);
  return false;
}

int RunningServer::exit_code() {
  if (pid_ > 0) {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    finish(status);
  }
  return exit_code_;
}

std::optional<int> RunningServer::exit_code_within(std::chrono::seconds bound) {
  {
    // The log ends when the last holder of its pipe does: the process itself, and no child of it that lives longer.
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, bound, [this] { return ended_; })) return std::nullopt;
  }
  return exit_code();
}

void RunningServer::finish(int status) {
  pid_ = -1;
  exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  if (reader_.joinable()) reader_.join();
}

}  // namespace kv
