// Runs a Task from a plain thread and waits for its result.
#pragma once

#include <future>
#include <utility>

#include "core/task.h"

namespace kv {

template <class T>
Detached finish_into(Task<T> task, std::promise<T>& result) {
  result.set_value(co_await task);
}

template <class T>
T run_task(Task<T> task) {
  std::promise<T> result;
  finish_into(std::move(task), result);
  return result.get_future().get();
}

// Starts it; the result comes later.
template <class T>
std::future<T> start_task(Task<T> task, std::promise<T>& result) {
  std::future<T> future = result.get_future();
  finish_into(std::move(task), result);
  return future;
}

}  // namespace kv
