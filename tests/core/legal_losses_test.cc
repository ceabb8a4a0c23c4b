#include "tests/support/legal_losses.h"

#include <set>
#include <vector>

#include <catch2/catch.hpp>

namespace kv {
namespace {

// What each disk holds in /d/f, and in /d/g: "-" where there is none.
std::multiset<std::string> left_by(const FaultyFileSystem& disk, std::uint64_t seed = 1, LossCounts* counts = nullptr) {
  std::multiset<std::string> all;
  const LossCounts counted = for_each_loss(disk, seed, [&](FaultyFileSystem& left, const std::string&) {
    all.insert(left.contents("/d/f").value_or("-") + " " + left.contents("/d/g").value_or("-"));
  });
  if (counts != nullptr) *counts = counted;
  CHECK(counted.left == all.size());
  return all;
}

struct Disk {
  Disk() {
    REQUIRE(fs.make_directory("/d").ok());
    fs.make_durable();
  }
  FaultyFileSystem fs;
};

TEST_CASE("legal losses: where everything is synced there is one disk") {
  Disk disk;
  disk.fs.put("/d/f", "whole");
  LossCounts counts;
  CHECK(left_by(disk.fs, 1, &counts) == std::multiset<std::string>{"whole -"});
  CHECK(counts.losses == 1);
}

TEST_CASE("legal losses: every prefix, torn at the next write, names without data and data without names, each once") {
  Disk disk;
  disk.fs.put("/d/f", "");
  const auto f = std::move(disk.fs.open("/d/f", FileSystem::Open::kReadWrite)).value();
  REQUIRE(write_all_at(*f, as_bytes("0123456789"), 0).ok());
  const auto g = std::move(disk.fs.create("/d/g")).value();
  REQUIRE(write_all_at(*g, as_bytes("new"), 0).ok());
  LossCounts counts;
  // Of one sector a random loss takes all or nothing: it adds no other disk.
  CHECK(left_by(disk.fs, 1, &counts) ==
        std::multiset<std::string>{" -", "0123456 -", "0123456789 -", " ", "0123456789 ", "0123456789 new", " new"});
  CHECK(counts.losses == 4 + 4 + 2 * 3 + kRandomLosses);
  CHECK(counts.prefixes_out == 0);
}

TEST_CASE("legal losses: of a great many changes the first and the last prefixes, and it says how many are left out") {
  Disk disk;
  disk.fs.put("/d/f", "");
  const auto f = std::move(disk.fs.open("/d/f", FileSystem::Open::kReadWrite)).value();
  const std::size_t writes = kPrefixesMax + 10;
  for (std::size_t at = 0; at < writes; ++at) REQUIRE(write_all_at(*f, as_bytes("x"), at).ok());
  LossCounts counts;
  const auto left = left_by(disk.fs, 1, &counts);
  CHECK(counts.prefixes_out == 11);
  CHECK(left.contains(std::string(writes - 1, 'x') + " -"));
  CHECK(left.contains("x -"));
  CHECK_FALSE(left.contains(std::string(writes / 2, 'x') + " -"));
}

TEST_CASE("legal losses: the same seed takes the same sectors, another one others") {
  Disk disk;
  disk.fs.put("/d/f", "");
  const auto f = std::move(disk.fs.open("/d/f", FileSystem::Open::kReadWrite)).value();
  REQUIRE(write_all_at(*f, as_bytes(std::string(64 * 512, 'x')), 0).ok());
  CHECK(left_by(disk.fs, 7) == left_by(disk.fs, 7));
  CHECK(left_by(disk.fs, 7) != left_by(disk.fs, 8));
}

}  // namespace
}  // namespace kv
