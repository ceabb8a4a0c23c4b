// Remembers the answers of the latest writes that carried a request id, so that a retry is answered and not applied.
//
// Hard part: a write with an id is looked up, appended and remembered under one lock, that of the stripe its id lies
// in, so of two that come at once one is applied and the other finds it. A stripe changes only while whoever changes it
// also holds the lock of a shard: a holder of LockedAll, and the child forked under it, find ids and entries at the
// same revision.
//
// The window is the newest `count` ids that are no older than `age`. Each id gets a number when it is remembered, so
// the bound is exact over all stripes: what lies behind it is not found any more, and its memory goes, a few with every
// new id and the rest by forget().
//
// Threads:  find(), holds(), prefetch() and figures() from any thread. claim() and forget() by a holder of a shard's
//           lock, in this order of locks, and one claim at a time. restore() and clear() while nobody else uses the
//           store. The frozen ones as in store/store.h.
// Lifetime: the window outlives its claims.
// Errors:   claim() and restore() throw std::bad_alloc; nothing has changed then.
// Units:    milliseconds of the server's clock; about 100 bytes an id.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "store/request.h"

namespace kv {

struct RequestBounds {
  std::chrono::milliseconds age = std::chrono::minutes(10);
  std::uint64_t count = 1'000'000;  // at least 1
};

struct RequestFigures {
  std::uint64_t ids = 0;  // that a retry is answered from
  std::uint64_t memory_bytes = 0;
  // Every id that is younger than this is there: the bound on age, or less where the bound on their number came first.
  std::chrono::milliseconds kept{0};
};

struct RequestStripe;
struct RequestHorizon;

// The right to apply one write with an id, or the answer of the one that has. Holds the stripe's lock.
class RequestClaim {
 public:
  // The first write with this id, when it is still remembered. Then there is nothing to remember.
  const std::optional<RememberedRequest>& first() const noexcept { return first_; }
  // Once, when first() is empty. A claim that is dropped instead leaves nothing behind.
  void remember(const RequestBlock& block, Revision revision) noexcept;
  // When first() is there: what it says from now on, as of another record. Its age stays.
  void amend(const RequestBlock& block, Revision revision) noexcept;

  RequestClaim(RequestClaim&& other) noexcept
      : window_(other.window_),
        hash_(other.hash_),
        stripe_(std::exchange(other.stripe_, nullptr)),
        now_(other.now_),
        first_(other.first_),
        place_taken_(std::exchange(other.place_taken_, false)) {}
  RequestClaim& operator=(RequestClaim&&) = delete;
  ~RequestClaim();

 private:
  friend class RequestWindow;
  RequestClaim(class RequestWindow& window, const RequestId& id, UnixMillis now);

  RequestWindow* window_;
  std::uint64_t hash_;
  RequestStripe* stripe_;
  UnixMillis now_;
  std::optional<RememberedRequest> first_;
  bool place_taken_ = false;
};

class RequestWindow {
 public:
  static constexpr std::size_t kStripes = 32;

  explicit RequestWindow(RequestBounds bounds);
  ~RequestWindow();
  RequestWindow(const RequestWindow&) = delete;
  RequestWindow& operator=(const RequestWindow&) = delete;

  std::optional<RememberedRequest> find(const RequestId& id, UnixMillis now) const;
  // Whether the id is in memory, though it may lie behind. When not, find() finds nothing whatever the time.
  bool holds(const RequestId& id) const noexcept;
  // Asks for the memory that finding a new id will touch, and does not wait for it.
  void prefetch(const RequestId& id) const noexcept;
  RequestClaim claim(const RequestId& id, UnixMillis now) { return {*this, id, now}; }
  // Frees up to `most` ids of a stripe that the window has left behind; gives how many.
  std::size_t forget(std::size_t stripe, UnixMillis now, std::size_t most) noexcept;

  // Loading: room for so many, or as many as the window holds, spread evenly. Throws std::bad_alloc.
  void reserve(std::uint64_t count);
  // Loading: the next one in order of time. One whose id is there already takes its place. The older one, which a
  // snapshot would hold too and which could come back as the newer one, says the same from now on.
  void restore(const RememberedRequest& request);
  void clear() noexcept;

  RequestFigures figures(UnixMillis now) const;
  // How many for_each_frozen() visits: those that wait to be freed too.
  std::uint64_t count_frozen() const noexcept;
  // Every one of them, in no order, without a lock and without an allocation. Visit: void(const RememberedRequest&).
  // Defined in store/frozen_walk.h.
  template <class Visit>
  void for_each_frozen(Visit&& visit) const;

 private:
  friend class RequestClaim;
  RequestHorizon horizon(UnixMillis now) const noexcept;
  RequestStripe& stripe_of(std::uint64_t hash) const noexcept;

  const RequestBounds bounds_;
  std::atomic<std::uint64_t> newest_{0};  // the number of the last id that was remembered
  const std::unique_ptr<RequestStripe[]> stripes_;
};

}  // namespace kv
