// Which revision of each key has been acknowledged: what a reader may no longer miss, after a restart either.
//
// A read that begins when a write of revision r was acknowledged must see r or something newer; every write has its
// revision from the server, so two writers of a key need no order of their own. That is all there is to know, as long
// as nothing is removed, and the load removes nothing.
//
// Threads: any. Errors: a file that cannot be written or read, or is none of ours, names itself.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace kv {

class Ledger {
 public:
  Ledger() = default;
  Ledger(Ledger&& other) noexcept : key_bytes(other.key_bytes), floors_(std::move(other.floors_)) {}

  std::uint64_t floor(std::uint64_t key) const;
  void acknowledged(std::uint64_t key, std::uint64_t revision);
  std::uint64_t keys() const;  // one more than the highest

  absl::Status save(const std::string& path) const;
  static absl::StatusOr<Ledger> load(const std::string& path);

  std::size_t key_bytes = 16;

 private:
  mutable std::mutex mutex_;
  std::vector<std::uint64_t> floors_;  // guarded by mutex_; by key, 0: nothing acknowledged
};

}  // namespace kv
