// Where the server is now, for clients that outlive it: a start gives it another port.
// Threads: any.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>

namespace kv {

class ServerPlace {
 public:
  struct At {
    std::string address;
    int start = 0;
  };
  void move(const std::string& address) {
    const std::lock_guard lock(mutex_);
    at_ = {address, at_.start + 1};
    changed_.notify_all();
  }
  // There will be no other one.
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }
  At now() const {
    const std::lock_guard lock(mutex_);
    return at_;
  }
  // Waits for another one than that of the start `before`; nothing when there will be none.
  std::optional<At> next(int before) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return closed_ || at_.start != before; });
    return closed_ && at_.start == before ? std::nullopt : std::optional(at_);
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  At at_;
  bool closed_ = false;
};

}  // namespace kv
