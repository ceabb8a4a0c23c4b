// What earlier cases of this program have freed must not be in a later one's figures.
#pragma once

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <jemalloc/jemalloc.h>

namespace kv {

// Makes jemalloc give up at once what it keeps for ten seconds.
inline void give_up_what_is_free() {
  const std::string all = fmt::format("arena.{}.purge", MALLCTL_ARENAS_ALL);
  REQUIRE(mallctl(all.c_str(), nullptr, nullptr, nullptr, 0) == 0);
}

}  // namespace kv
