#include "client/cli/signals.h"

#include <atomic>
#include <cerrno>
#include <csignal>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

namespace kv {
namespace {

std::atomic<bool> interrupted{false};
std::atomic<bool> told_to_end{false};
std::atomic<bool> resized{false};
std::atomic<bool> continued{false};
int wake_pipe[2] = {-1, -1};

static_assert(std::atomic<bool>::is_always_lock_free, "the handler must not lock");

void on_signal(int number) {
  const int saved_errno = errno;
  if (number == SIGINT) interrupted = true;
  if (number == SIGTERM || number == SIGHUP) told_to_end = true;
  if (number == SIGWINCH) resized = true;
  if (number == SIGCONT) continued = true;
  // A full pipe wakes as well as one more byte in it.
  [[maybe_unused]] const ssize_t written = ::write(wake_pipe[1], "", 1);
  errno = saved_errno;
}

void handle(int number) {
  struct sigaction action = {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  ::sigaction(number, &action, nullptr);
}

void drain_wake_pipe() {
  char bytes[64];
  while (::read(wake_pipe[0], bytes, sizeof bytes) > 0) {
  }
}

}  // namespace

void catch_interruptions() {
  if (wake_pipe[0] < 0 && ::pipe2(wake_pipe, O_CLOEXEC | O_NONBLOCK) != 0) return;
  handle(SIGINT);
}

void catch_terminal_signals() {
  for (int number : {SIGTERM, SIGHUP, SIGWINCH, SIGCONT}) handle(number);
}

bool was_interrupted() { return interrupted || told_to_end; }
bool was_told_to_end() { return told_to_end; }
bool take_resize() { return resized.exchange(false); }
bool take_continuation() { return continued.exchange(false); }
void forget_interruption() { interrupted = false; }

bool wait_readable(int descriptor) {
  if (was_interrupted()) return false;
  pollfd waits[2] = {{descriptor, POLLIN, 0}, {wake_pipe[0], POLLIN, 0}};
  while (::poll(waits, 2, -1) < 0) {
    if (errno != EINTR) return true;  // The read that follows says what is wrong.
  }
  if (waits[1].revents == 0) return true;
  drain_wake_pipe();
  return false;
}

}  // namespace kv
