// Random numbers that are the same everywhere for the same seed: the engine of the standard is, its distributions are
// not, so what is made of its bits is made here.
//
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <random>

namespace kv {

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}

  std::uint64_t next() { return engine_(); }
  // Of [0, count), which is not empty. The bias is below count / 2^64.
  std::uint64_t below(std::uint64_t count) {
    return static_cast<std::uint64_t>((static_cast<unsigned __int128>(next()) * count) >> 64);
  }
  // Of [0, 1).
  double unit() { return static_cast<double>(next() >> 11) * 0x1p-53; }

 private:
  std::mt19937_64 engine_;
};

// Seeds for generators that must not repeat each other (splitmix64).
inline std::uint64_t seed_of(std::uint64_t seed, std::uint64_t number) {
  std::uint64_t mixed = seed + 0x9e3779b97f4a7c15ULL * (number + 1);
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9ULL;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebULL;
  return mixed ^ (mixed >> 31);
}

}  // namespace kv
