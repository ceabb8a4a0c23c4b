// Keys and values of the load: keys are numbers in a fixed width; values are either bytes that do not compress, or,
// when they are to be verified, say themselves whose they are.
//
// A verified value is: key number, sequence (8 bytes each, little-endian), bytes made from both, and in the end the
// checksum of all of that (8 bytes). So a value that belongs elsewhere, is mixed of two, or was cut is seen by itself.
//
// Threads: constant after construction.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace kv {

inline constexpr std::size_t kVerifiedValueBytesMin = 24;

// "k" and the number, with zeros between them up to `bytes`.
void write_key(std::uint64_t number, std::size_t bytes, std::string& key);
// How many keys have names of so many bytes.
std::uint64_t keys_of(std::size_t bytes);

class Filler {
 public:
  explicit Filler(std::size_t value_bytes_max);

  // Another piece of the same random bytes for each sequence; lives as the filler.
  std::string_view value(std::uint64_t sequence, std::size_t bytes) const {
    return std::string_view(random_).substr(sequence % kStarts, bytes);
  }

 private:
  static constexpr std::size_t kStarts = 4096;
  std::string random_;
};

std::string verified_value(std::uint64_t key, std::uint64_t sequence, std::size_t bytes);

struct VerifiedValue {
  bool ours = false;           // has our checksum; without, it is damaged, or was never ours
  std::uint64_t sequence = 0;  // of ours
  std::string fault;           // empty: it is whole, and of this key
};
VerifiedValue read_verified(std::string_view value, std::uint64_t key);

}  // namespace kv
