// How densely the crash enumerations cut: at every n-th call to the disk.
//
// KV_CRASH_STEP in the environment sets n for all of them: 1 cuts everywhere, as a run on demand does; the sanitizers,
// under which each cut costs ten times as much, take a larger one.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <stdexcept>

namespace kv {

inline std::uint64_t crash_step(std::uint64_t otherwise) {
  const char* const given = std::getenv("KV_CRASH_STEP");
  if (given == nullptr) return otherwise;
  const std::uint64_t step = std::strtoull(given, nullptr, 10);
  if (step == 0) throw std::invalid_argument("KV_CRASH_STEP must be a number from 1 on");
  return step;
}

}  // namespace kv
