// Watches one forked child until it has ended, and ends it when it no longer shows a sign of life.
//
// Hard part: a process id may be used only while its process has not been waited for; so every kill and the wait
// happen under one lock, and nobody else waits for that process (there is no handler for SIGCHLD, and no wait for any
// child).
//
// Threads:  all calls from any thread. The callbacks run on the io_context, or in end_now(), one at a time.
// Lifetime: a shared_ptr; it holds itself while the child lives. The io_context outlives it.
// Source:   pidfd_open(2).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <sys/types.h>

#include "core/descriptor.h"
#include "persistence/snapshot_child.h"

namespace kv {

class ChildWatch : public std::enable_shared_from_this<ChildWatch> {
 public:
  struct Ended {
    int wait_status = 0;                            // as waitpid gives it
    std::optional<SnapshotChildMessage> last_word;  // kWritten or kFailed
    bool silent = false;                            // killed, because no sign of life came
  };
  struct Callbacks {
    std::function<void(const SnapshotProgress&)> on_progress;  // may be empty
    std::function<void(const Ended&)> on_end;                  // exactly once
  };

  ChildWatch(boost::asio::io_context& io, pid_t child, std::chrono::milliseconds silence_max, Callbacks callbacks);

  // Takes the reading end of the child's pipe. When the system refuses what watching needs, the child is killed and
  // ends here.
  void start(Descriptor pipe);
  void kill() noexcept;
  // Kills, waits, and calls on_end if that has not happened; for an owner that goes away.
  void end_now();

  pid_t child() const noexcept { return child_; }
  // What copy-on-write has cost so far (persistence/private_memory.h); 0 when the child has ended, or the system does
  // not say.
  std::uint64_t copied_bytes() const noexcept;

 private:
  void watch_pipe();
  void watch_exit();
  void watch_silence();
  void read_pipe();
  void finish(bool wait_for_it);

  const pid_t child_;
  const std::chrono::milliseconds silence_max_;
  const Callbacks callbacks_;

  mutable std::mutex mutex_;  // guards everything below
  boost::asio::posix::stream_descriptor pipe_;
  boost::asio::posix::stream_descriptor exit_;
  boost::asio::steady_timer timer_;
  Ended ended_;
  bool reaped_ = false;
  std::optional<SnapshotProgress> progress_;  // heard, and not yet told
};

}  // namespace kv
