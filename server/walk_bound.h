// How many walks through the store callers may have under way at once. A walk holds about 40 bytes for each key of one
// shard and what writers replace behind it, and every writer looks at it.
//
// The engine has two of these, as large as each other. One is for scans, which last as long as their readers like: a
// reader that does not read must not keep others from deleting. One is for what ends by itself, DeleteRange and old
// Keys. The walk for big keys is in neither: there is one at most, and an operator asks for it when the server is in
// need.
//
// Threads:  any. Lifetime: outlives its places. Errors: OVERLOADED, before anything was done.
#pragma once

#include <atomic>
#include <utility>

#include <fmt/format.h>

#include "absl/status/statusor.h"
#include "rpc/overload.h"

namespace kv {

class WalkBound {
 public:
  explicit WalkBound(unsigned most) noexcept : most_(most) {}

  // Free again when it goes, however that comes.
  class Place {
   public:
    Place(Place&& other) noexcept : bound_(std::exchange(other.bound_, nullptr)) {}
    Place& operator=(Place&&) = delete;
    ~Place() {
      if (bound_ != nullptr) bound_->taken_.fetch_sub(1);
    }

   private:
    friend class WalkBound;
    explicit Place(WalkBound& bound) noexcept : bound_(&bound) {}
    WalkBound* bound_;
  };

  absl::StatusOr<Place> take() {
    Place place(*this);
    if (taken_.fetch_add(1) < most_) return place;
    return overloaded(fmt::format("{} walks through all keys are under way already", most_), most_, kWalksPass);
  }

 private:
  const unsigned most_;
  std::atomic<unsigned> taken_{0};
};

}  // namespace kv
