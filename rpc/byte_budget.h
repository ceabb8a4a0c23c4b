// How many bytes of requests and answers the server holds for its callers, and whether it takes on more.
//
// Hard part: how large an answer is, is known only when the call was carried out, and then it must not be refused any
// more. So answers are counted without being asked about, and what is refused is the next request: when the sum has
// reached the bound. It may pass the bound by what was let in below it.
//
// Threads:  all of it from any thread. A Share belongs to one call, and is used under whatever orders that call.
// Lifetime: the budget outlives the shares.
// Units:    bytes: of messages as they are on the wire, and what they have become where that is much more.
#pragma once

#include <atomic>
#include <cstddef>

namespace kv {

class ByteBudget {
 public:
  // What one call holds; goes back with it.
  class Share {
   public:
    explicit Share(ByteBudget& budget) noexcept : budget_(budget) {}
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;
    ~Share() { give_back(bytes_); }

    void add(std::size_t bytes) noexcept {
      if (bytes == 0) return;
      bytes_ += bytes;
      budget_.held_.fetch_add(bytes, std::memory_order_relaxed);
    }
    void give_back(std::size_t bytes) noexcept {
      if (bytes == 0) return;
      bytes_ -= bytes;
      budget_.held_.fetch_sub(bytes, std::memory_order_relaxed);
    }

   private:
    ByteBudget& budget_;
    std::size_t bytes_ = 0;
  };

  explicit ByteBudget(std::size_t bytes_max) noexcept : bytes_max_(bytes_max) {}

  // Nothing more is to be taken on.
  bool full() const noexcept { return held() >= bytes_max_; }
  std::size_t held() const noexcept { return held_.load(std::memory_order_relaxed); }
  std::size_t bytes_max() const noexcept { return bytes_max_; }

 private:
  const std::size_t bytes_max_;
  alignas(64) std::atomic<std::size_t> held_{0};
};

}  // namespace kv
