// Which of the connections that were handed over are still open, so that their number has a bound.
//
// Hard part: the library tells nobody when it closes a connection. And nothing of ours may hold on to one: with a
// duplicate of its descriptor the socket would outlive the library's close(), and the library's epoll set would go on
// reporting events for what it has freed. So we only remember number and inode of each descriptor, and look: a number
// that stands for another inode, or for none, was closed. A new connection has the lowest free number, so most closed
// ones are noticed by the number that comes back. Only when all places seem taken every number is looked at, and not
// again until twenty times as long has passed, a tenth of a second at most: a flood of refused connections costs a
// twentieth of a core, and a place that became free in between is found that little later.
//
// Threads: any. Units: counts.
#pragma once

#include <chrono>
#include <cstddef>
#include <mutex>
#include <vector>

#include <sys/types.h>

namespace kv {

class OpenConnections {
 public:
  using Time = std::chrono::steady_clock::time_point;

  explicit OpenConnections(std::size_t places) : places_(places) {}

  // For a connection that was just accepted; false: every place is taken.
  bool take_place(int descriptor, Time now = std::chrono::steady_clock::now());
  // Looks at each, always: some tenths of a microsecond apiece.
  std::size_t count();

 private:
  void drop_closed();  // mutex_ held

  const std::size_t places_;
  std::mutex mutex_;
  std::vector<ino_t> inode_of_;  // by number of the descriptor; 0: none of ours
  std::size_t taken_ = 0;        // places; some may be free already
  Time look_again_{};            // guarded, as all of these
};

}  // namespace kv
