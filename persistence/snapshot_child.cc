#include "persistence/snapshot_child.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <ctime>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "persistence/private_memory.h"
#include "persistence/snapshot_walk.h"

namespace kv {
namespace {

using Message = SnapshotChildMessage;

void send(int pipe, const Message& message) noexcept {
  while (::write(pipe, &message, sizeof message) < 0 && errno == EINTR) {
  }
}

// A DescriptorSink that also tells the parent that it lives.
class ChildSink final : public DescriptorSink {
 public:
  explicit ChildSink(const SnapshotChildPlan& plan) noexcept : DescriptorSink(plan.file), plan_(plan) {}

  bool write(Bytes data) noexcept override {
    if (plan_.pause_per_write.count() > 0) pause();
    return DescriptorSink::write(data);
  }
  void progressed(const SnapshotProgress& progress) noexcept override {
    Message message;
    message.kind = Message::Kind::kProgress;
    message.progress = progress;
    send(plan_.pipe, message);
  }

 private:
  void pause() const noexcept {
    const auto micros = plan_.pause_per_write.count();
    timespec left{micros / 1'000'000, micros % 1'000'000 * 1000};
    while (::nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
  }

  const SnapshotChildPlan& plan_;
};

// The parent may have died before the death signal was asked for; then somebody else is our parent by now.
void die_with_parent(pid_t parent) noexcept {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);
}

// Handlers of the parent would run code that is not ours to run here. A full pipe or file must be an error, not a
// death.
void reset_signals() noexcept {
  for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_DFL);
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGXFSZ, SIG_IGN);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

void close_all(unsigned first, unsigned last) noexcept {
  if (first > last) return;
  if (::close_range(first, last, 0) == 0) return;
  // A kernel before 5.9, or a container that forbids the call: one by one, as far as numbers can reach.
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const auto end = static_cast<unsigned>(std::min<rlim_t>(limit.rlim_cur, 1 << 20));
  for (unsigned number = first; number <= last && number < end; ++number) ::close(static_cast<int>(number));
}

void close_all_but(int one, int other) noexcept {
  const auto low = static_cast<unsigned>(std::min(one, other));
  const auto high = static_cast<unsigned>(std::max(one, other));
  if (low > 0) close_all(0, low - 1);
  close_all(low + 1, high - 1);
  close_all(high + 1, ~0U);
}

// The server's clients come first, for the processor, the disk and, when memory is short, life. None of it is vital.
void step_back() noexcept {
  constexpr int kWhoProcess = 1;                                        // IOPRIO_WHO_PROCESS
  constexpr int kLowestBestEffort = 2 << 13 | 7;                        // class best effort, level 7
  ::setpriority(PRIO_PROCESS, 0, ::getpriority(PRIO_PROCESS, 0) + 10);  // 19 at most, whatever is asked
  ::syscall(SYS_ioprio_set, kWhoProcess, 0, kLowestBestEffort);
  ::prctl(PR_SET_NAME, "kv-snapshot");
  const int file = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (file < 0) return;
  [[maybe_unused]] const ssize_t done = ::write(file, "1000", 4);
  ::close(file);
}

}  // namespace

void run_snapshot_child(const SnapshotChildPlan& plan) noexcept {
  die_with_parent(plan.parent);
  close_all_but(plan.file, plan.pipe);
  reset_signals();
  step_back();

  ChildSink sink(plan);
  SnapshotWriter writer(sink, plan.buffer, plan.sync_every_bytes);
  Message message;
  if (write_frozen_store(*plan.store, plan.header, writer)) {
    message.kind = Message::Kind::kWritten;
    message.totals = writer.totals();
    message.copied_known = private_memory(message.copied_bytes);
  } else {
    message.kind = Message::Kind::kFailed;
    message.error_number = writer.error_number();
  }
  send(plan.pipe, message);
  ::_exit(message.kind == Message::Kind::kWritten ? 0 : 1);
}

}  // namespace kv
