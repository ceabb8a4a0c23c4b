#include "persistence/page_mender.h"

#include <system_error>

#include <fmt/format.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "store/data_heap.h"

namespace kv {
namespace {

using std::chrono::steady_clock;

// A place that took no longer was one huge page already, and nobody has to recover from it.
constexpr std::chrono::microseconds kNoWork{50};

}  // namespace

PageMender::Work PageMender::data_heap() {
  return {.count = [] { return data_heap::places().count(); },
          .collapse = [](std::size_t index) { return data_heap::places().collapse(index); },
          .refusal = [] { return HugePlaces::collapse_refusal(); }};
}

PageMender::PageMender(Work work, std::function<void(const std::string&)> warn)
    : work_(std::move(work)), warn_(std::move(warn)), thread_([this] { run(); }) {}

PageMender::~PageMender() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void PageMender::begin() {
  {
    std::lock_guard lock(mutex_);
    wanted_ = !figures_.refused;
    ++asked_for_;
  }
  changed_.notify_all();
}

void PageMender::pause() {
  std::unique_lock lock(mutex_);
  wanted_ = false;
  changed_.notify_all();
  changed_.wait(lock, [this] { return !working_; });
}

PageMender::Figures PageMender::figures() const {
  std::lock_guard lock(mutex_);
  Figures now = figures_;
  now.at_work = wanted_;
  return now;
}

void PageMender::wait_until_done() const {
  Lock lock(mutex_);
  changed_.wait(lock, [this] { return !wanted_; });
}

void PageMender::run() {
  ::pthread_setname_np(::pthread_self(), "kv-mend");
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), 10);  // Of this thread alone.
  Lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || wanted_; });
    if (stopping_) return;
    if (!asked_) ask_system(lock);
    if (wanted_) round(lock);
  }
}

void PageMender::ask_system(Lock& lock) {
  asked_ = true;
  lock.unlock();
  const int error_number = work_.refusal();
  if (error_number != 0 && warn_) {
    warn_(
        fmt::format("huge pages that a snapshot has split stay split, because this system does not put them together "
                    "(MADV_COLLAPSE: {}): the forks of later snapshots take longer",
                    std::generic_category().message(error_number)));
  }
  lock.lock();
  figures_.refused = error_number != 0;
  if (figures_.refused) wanted_ = false;
  changed_.notify_all();
}

// From the first place to the last, unless somebody calls pause() or begin() meanwhile, or it is stopped.
void PageMender::round(Lock& lock) {
  const std::uint64_t number = asked_for_;
  const auto interrupted = [&] { return stopping_ || !wanted_ || asked_for_ != number; };
  const auto began = steady_clock::now();
  Figures done = figures_;
  done.whole = done.busy = 0;
  for (std::size_t index = 0; index < work_.count(); ++index) {
    if (interrupted()) return;
    const auto before = steady_clock::now();
    const Collapse result = work_on(index, lock);
    if (result == Collapse::kDone) ++done.whole;
    if (result == Collapse::kBusy) ++done.busy;
    const auto took = steady_clock::now() - before;
    if (took > kNoWork) changed_.wait_for(lock, took, interrupted);
  }
  if (interrupted()) return;
  ++done.rounds;
  done.took = std::chrono::duration_cast<std::chrono::milliseconds>(steady_clock::now() - began);
  figures_ = done;
  wanted_ = false;
  changed_.notify_all();
}

Collapse PageMender::work_on(std::size_t index, Lock& lock) {
  working_ = true;
  lock.unlock();
  const Collapse result = work_.collapse(index);
  lock.lock();
  working_ = false;
  changed_.notify_all();
  return result;
}

}  // namespace kv
