// Runs `work` on an Asio executor and waits for its result.
// Threads: never from the executor's own threads.
#pragma once

#include <future>
#include <utility>

#include <boost/asio/post.hpp>

namespace kv {

template <class Executor, class Work>
auto run_on(Executor& executor, Work work) {
  std::packaged_task<decltype(work())()> task(std::move(work));
  auto result = task.get_future();
  boost::asio::post(executor, std::move(task));
  return result.get();
}

}  // namespace kv
