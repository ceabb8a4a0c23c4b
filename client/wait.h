// The three ways to use a task of the client: await it in a coroutine, wait() for it, or start() it with a callback.
//
// Threads:  wait() from any thread but the client's own, whose work it would wait for. Callbacks, and coroutines after
// a
//           co_await, run on the client's threads: short work only, no wait() there.
// Lifetime: a task that was begun keeps the client busy until it ends; the client's destructor waits for that.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>

#include "core/task.h"

namespace kv {

// Begins the task; `callback` is called once, with its result.
template <class T, class Callback>
Detached start(Task<T> task, Callback callback) {
  T result = co_await task;
  callback(std::move(result));
}

// The result of a task that another thread ends.
template <class T>
class Awaited {
 public:
  void set(T value) {
    const std::scoped_lock lock(mutex_);
    value_.emplace(std::move(value));
    there_.notify_all();
  }
  T take() {
    std::unique_lock lock(mutex_);
    there_.wait(lock, [this] { return value_.has_value(); });
    return std::move(*value_);
  }
  // False: not there within the time.
  bool there_within(std::chrono::milliseconds time) {
    std::unique_lock lock(mutex_);
    return there_.wait_for(lock, time, [this] { return value_.has_value(); });
  }

 private:
  std::mutex mutex_;
  std::condition_variable there_;
  std::optional<T> value_;  // guarded by mutex_
};

// Begins the task and blocks until it has ended.
template <class T>
T wait(Task<T> task) {
  Awaited<T> awaited;
  start(std::move(task), [&awaited](T value) { awaited.set(std::move(value)); });
  return awaited.take();
}

}  // namespace kv
