#include "persistence/child_watch.h"

#include <cerrno>
#include <csignal>
#include <utility>

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "persistence/private_memory.h"

namespace kv {

using boost::asio::posix::stream_descriptor;

ChildWatch::ChildWatch(boost::asio::io_context& io, pid_t child, std::chrono::milliseconds silence_max,
                       Callbacks callbacks)
    : child_(child), silence_max_(silence_max), callbacks_(std::move(callbacks)), pipe_(io), exit_(io), timer_(io) {}

void ChildWatch::start(Descriptor pipe) {
  {
    std::lock_guard lock(mutex_);
    // By number: the header of this C library declares pidfd_open() as a C++ function, which it is not.
    Descriptor exit(static_cast<int>(::syscall(SYS_pidfd_open, child_, 0)));
    boost::system::error_code refused;
    if (!exit.valid()) refused.assign(errno, boost::system::system_category());
    if (!refused) exit_.assign(exit.get(), refused);
    if (!refused) exit.release();
    if (!refused) pipe_.assign(pipe.get(), refused);
    if (!refused) pipe.release();
    if (!refused) {
      watch_pipe();
      watch_exit();
      watch_silence();
      return;
    }
  }
  end_now();
}

void ChildWatch::kill() noexcept {
  std::lock_guard lock(mutex_);
  if (!reaped_) ::kill(child_, SIGKILL);
}

std::uint64_t ChildWatch::copied_bytes() const noexcept {
  std::uint64_t bytes = 0;
  const std::lock_guard lock(mutex_);
  if (!reaped_) private_memory_of(child_, bytes);
  return bytes;
}

void ChildWatch::end_now() {
  kill();
  finish(true);
}

// The three watches are armed under the lock; each handler arms its own again.
void ChildWatch::watch_pipe() {
  pipe_.async_wait(stream_descriptor::wait_read, [self = shared_from_this()](const boost::system::error_code& failed) {
    if (failed) return;
    std::optional<SnapshotProgress> news;
    {
      std::lock_guard lock(self->mutex_);
      if (self->reaped_) return;
      self->read_pipe();
      news = std::exchange(self->progress_, std::nullopt);
      if (self->pipe_.is_open()) self->watch_pipe();
    }
    if (news && self->callbacks_.on_progress) self->callbacks_.on_progress(*news);
  });
}

void ChildWatch::watch_exit() {
  exit_.async_wait(stream_descriptor::wait_read, [self = shared_from_this()](const boost::system::error_code& failed) {
    if (!failed) self->finish(false);
  });
}

void ChildWatch::watch_silence() {
  timer_.expires_after(silence_max_);
  timer_.async_wait([self = shared_from_this()](const boost::system::error_code& moved) {
    if (moved) return;
    std::lock_guard lock(self->mutex_);
    // A sign of life may have moved the timer while this call was already on its way.
    if (self->reaped_ || self->timer_.expiry() > std::chrono::steady_clock::now()) return;
    self->ended_.silent = true;
    ::kill(self->child_, SIGKILL);
  });
}

// Under the lock. Whole messages only: each was one write, and all have one size.
void ChildWatch::read_pipe() {
  while (pipe_.is_open()) {
    SnapshotChildMessage message;
    const ssize_t done = ::read(pipe_.native_handle(), &message, sizeof message);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (done != sizeof message) {  // The end of the pipe.
      boost::system::error_code ignored;
      pipe_.close(ignored);
      return;
    }
    if (message.kind == SnapshotChildMessage::Kind::kProgress) {
      progress_ = message.progress;
      if (!ended_.silent) watch_silence();
    } else {
      ended_.last_word = message;
    }
  }
}

void ChildWatch::finish(bool wait_for_it) {
  {
    std::lock_guard lock(mutex_);
    if (reaped_) return;
    pid_t waited = 0;
    do {
      waited = ::waitpid(child_, &ended_.wait_status, wait_for_it ? 0 : WNOHANG);
    } while (waited < 0 && errno == EINTR);
    if (waited == 0) return watch_exit();
    // -1: somebody took the status (SIGCHLD ignored). The child is gone all the same; how it went is not known.
    if (waited < 0) ended_.wait_status = -1;
    read_pipe();
    reaped_ = true;
    boost::system::error_code ignored;
    pipe_.close(ignored);
    exit_.close(ignored);
    timer_.cancel();
  }
  callbacks_.on_end(ended_);
}

}  // namespace kv
