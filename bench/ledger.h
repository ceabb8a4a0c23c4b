// Which revision of each key has been acknowledged, and which write that was: what a reader may no longer miss, after a
// restart either.
//
// A read that begins when a write of revision r was acknowledged must see r or something newer; every write has its
// revision from the server, so two writers of a key need no order of their own. That is all there is to know, as long
// as nothing is removed, and the load removes nothing.
//
// A revision of a key is one write: the newest acknowledged one of each key is known with its sequence, and of about
// the last million writes of the run, by sequence, what their revision was. So a value that comes back under a revision
// that is not its own is found when either of the two is among them; one that was written longer ago is not.
//
// Threads: any. Errors: a file that cannot be written or read, or is none of ours, names itself.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace kv {

class Ledger {
 public:
  Ledger() = default;
  Ledger(Ledger&& other) noexcept : key_bytes(other.key_bytes), floors_(std::move(other.floors_)) {}

  std::uint64_t floor(std::uint64_t key) const;
  void acknowledged(std::uint64_t key, std::uint64_t revision, std::uint64_t sequence);
  // What speaks against the value of this sequence being that of the revision; nothing: all that is known fits.
  std::optional<std::string> contradiction(std::uint64_t key, std::uint64_t revision, std::uint64_t sequence) const;
  std::uint64_t keys() const;  // one more than the highest

  absl::Status save(const std::string& path) const;
  static absl::StatusOr<Ledger> load(const std::string& path);

  std::size_t key_bytes = 16;

 private:
  mutable std::mutex mutex_;
  struct Write {
    std::uint64_t revision = 0;  // 0: none
    std::uint64_t sequence = 0;
  };
  static constexpr std::size_t kRecent = std::size_t{1} << 20;

  std::vector<Write> floors_;  // guarded by mutex_; by key
  std::vector<Write> recent_;  // guarded by mutex_; by the lowest bits of the sequence; empty before the first
};

}  // namespace kv
