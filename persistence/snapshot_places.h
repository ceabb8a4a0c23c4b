// Which thread of a load takes which blocks of the file: each block once, whoever takes it.
//
// Hard part: a file holds shard after shard, so threads that take one block after the other put their entries into the
// same shard, and wait for its lock all the time (5 M keys by two threads: 1.6 s, and 0.5 s apart). Each begins at a
// place of its own, and goes on where another one began only when nothing is left of its own.
//
// Threads:  take() from any thread at once.
// Errors:   none; the constructor allocates.
#pragma once

#include <atomic>
#include <cstddef>
#include <optional>
#include <vector>

namespace kv {

class SnapshotPlaces {
 public:
  // `places` at least 1.
  SnapshotPlaces(std::size_t blocks, std::size_t places) : places_(places) {
    for (std::size_t i = 0; i < places; ++i) {
      places_[i].next = i * blocks / places;
      places_[i].end = (i + 1) * blocks / places;
    }
  }

  // The index of a block for the thread that began at `place`; nothing when all are taken.
  std::optional<std::size_t> take(std::size_t place) noexcept {
    for (std::size_t tried = 0; tried < places_.size(); ++tried) {
      Place& from = places_[(place + tried) % places_.size()];
      if (const std::size_t index = from.next++; index < from.end) return index;
    }
    return std::nullopt;
  }

 private:
  struct Place {
    std::atomic<std::size_t> next = 0;  // past the end by one for each thread that found nothing here
    std::size_t end = 0;
  };
  std::vector<Place> places_;
};

}  // namespace kv
