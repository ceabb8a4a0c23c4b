// The two coroutine types: Task<T>, which somebody awaits, and Detached, which nobody does.
//
// Hard part: lifetime. Coroutines are named functions; a reference parameter must outlive the frame. A Task starts when
// it is awaited and is destroyed by its owner; a Detached coroutine starts at once and frees itself at its end.
// An exception that leaves a Task is thrown where it is awaited; one that leaves a Detached ends the process.
// Exceptions end inside the call that met them.
//
// GCC 12 miscompiles a Task that is awaited in the condition of if, while or switch: the program crashes when it is
// resumed. So the result gets a name first: `const bool ok = co_await read(); if (ok) ...`.
//
// Threads: a coroutine is resumed by one thread at a time; each co_await in our code says on which.
#pragma once

#include <coroutine>
#include <exception>
#include <optional>
#include <utility>

#include "core/completion.h"

namespace kv {

struct Detached {
  struct promise_type {
    Detached get_return_object() noexcept { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() noexcept {}
    void unhandled_exception() noexcept { std::terminate(); }
  };
};

template <class T>
class [[nodiscard]] Task {
 public:
  struct promise_type {
    std::optional<T> value;
    std::exception_ptr failed;
    std::coroutine_handle<> waiter;

    struct Final {
      bool await_ready() noexcept { return false; }
      std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> done) noexcept {
        return done.promise().waiter;
      }
      void await_resume() noexcept {}
    };

    Task get_return_object() { return Task(std::coroutine_handle<promise_type>::from_promise(*this)); }
    std::suspend_always initial_suspend() noexcept { return {}; }
    Final final_suspend() noexcept { return {}; }
    template <class U>
    void return_value(U&& result) {
      value.emplace(std::forward<U>(result));
    }
    void unhandled_exception() noexcept { failed = std::current_exception(); }
  };

  Task(Task&& other) noexcept : frame_(std::exchange(other.frame_, nullptr)) {}
  Task& operator=(Task&&) = delete;
  ~Task() {
    if (frame_) frame_.destroy();
  }

  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> waiter) noexcept {
    frame_.promise().waiter = waiter;
    return frame_;
  }
  T await_resume() {
    if (frame_.promise().failed) std::rethrow_exception(frame_.promise().failed);
    return std::move(*frame_.promise().value);
  }

 private:
  explicit Task(std::coroutine_handle<promise_type> frame) noexcept : frame_(frame) {}

  std::coroutine_handle<promise_type> frame_;
};

// Awaits one completion: `start` is given the Completion and hands it to whoever will complete it. Resumes on the
// thread that completes it, with its `ok`.
template <class Start>
class [[nodiscard]] OnCompletion final : public Completion {
 public:
  explicit OnCompletion(Start start) : start_(std::move(start)) {}

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiter) {
    waiter_ = waiter;
    start_(static_cast<Completion&>(*this));  // May resume, and so destroy, this on another thread: nothing follows.
  }
  bool await_resume() const noexcept { return ok_; }
  void complete(bool ok) noexcept override {
    ok_ = ok;
    waiter_.resume();
  }

 private:
  Start start_;
  std::coroutine_handle<> waiter_;
  bool ok_ = false;
};

}  // namespace kv
