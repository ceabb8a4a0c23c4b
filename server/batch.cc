#include "server/batch.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <optional>
#include <span>
#include <utility>

namespace kv {
namespace {

constexpr std::size_t kItemsKept = 512;
constexpr std::size_t kWindowSteps = 128;
constexpr std::size_t kFewSteps = 32;      // are sorted as quickly by comparing them
constexpr std::size_t kShardsAtOnce = 16;  // held for reading while their keys are asked for; a writer waits that long
// An Append is admitted for that much beyond the value that was seen.
constexpr std::size_t kAppendSlack = 4 << 10;

std::size_t present_bytes(const Store& store, const Batch::Step& step, UnixMillis now) {
  const ReadLock shard = store.read_shard(step.shard);
  const Entry* entry = find_key(shard, step.key, now).seen().entry;
  return entry == nullptr ? 0 : entry->value().size();
}

}  // namespace

void Batch::clear() noexcept {
  items_.clear();
  steps_.clear();
  unsorted_.clear();
  order_.clear();
  sorted_.clear();
  if (items_.capacity() <= kItemsKept) return;
  items_.shrink_to_fit();
  steps_.shrink_to_fit();
  unsorted_.shrink_to_fit();
  order_.shrink_to_fit();
  sorted_.shrink_to_fit();
}

void Batch::plan(const Store& store) {
  unsorted_.reserve(items_.size());
  order_.reserve(items_.size());
  for (std::size_t i = 0; i < items_.size(); ++i) {
    if (!items_[i].error.ok()) continue;
    const Operation& operation = items_[i].operation;
    const HashedKey key(operation.key);
    const bool writes = operation.writes();
    const auto shard = static_cast<std::uint32_t>(store.shard_of(key));
    order_.push_back(std::uint64_t{shard} << kShardShift | unsorted_.size());
    unsorted_.push_back(
        {shard, static_cast<std::uint32_t>(i), writes, key, writes ? HashedValue(operation.value).hash : 0});
  }
  // Numbers are sorted in place of the steps, which are long and are moved once.
  if (order_.size() <= kFewSteps) {
    std::ranges::sort(order_);
  } else {
    sort_many(store.shard_count());
  }
  steps_.reserve(order_.size());
  for (const std::uint64_t number : order_) steps_.push_back(unsorted_[number & 0xFFFF'FFFF]);
}

// By counting, byte after byte of the shard: many steps have few shards, and comparing them would take their number's
// logarithm of guesses each, half of them wrong. Steps of one shard stay in their order.
void Batch::sort_many(std::size_t shards) {
  sorted_.resize(order_.size());
  for (unsigned shift = kShardShift; (shards - 1) >> (shift - kShardShift) != 0; shift += 8) {
    std::array<std::uint32_t, 256> place{};
    for (const std::uint64_t number : order_) ++place[number >> shift & 0xFF];
    std::exclusive_scan(place.begin(), place.end(), place.begin(), 0u);
    for (const std::uint64_t number : order_) sorted_[place[number >> shift & 0xFF]++] = number;
    order_.swap(sorted_);
  }
}

Batch::Window Batch::window(std::size_t begin, const Store& store, UnixMillis now,
                            std::size_t present_bytes_at_least) const {
  Window window{.begin = begin, .end = begin};
  while (window.end < steps_.size() && window.end - begin < kWindowSteps) {
    const Step& step = this->step(window.end);
    const Operation& operation = items_[step.item].operation;
    std::size_t bytes = 0;
    std::size_t copied = 0;
    if (operation.kind == OperationKind::kSetExpiry) copied = present_bytes(store, step, now);
    if (operation.writes()) {
      std::size_t present = 0;
      if (operation.kind == OperationKind::kAppend) {
        present = present_bytes(store, step, now) + kAppendSlack;
        if (window.end == begin) present = std::max(present, present_bytes_at_least);
      }
      bytes = record_bytes_at_most(operation, present);
    }
    if (window.end != begin && window.record_bytes + window.copied_bytes + bytes + copied > kWindowBytes) break;
    window.record_bytes += bytes;
    window.copied_bytes += copied;
    window.writes += operation.writes() ? 1 : 0;
    ++window.end;
  }
  return window;
}

// The shards of a round are held together, so that the keys of all of them are asked for with no lock in between:
// taking one makes the processor wait for what was asked for before.
std::size_t Batch::prefetch(std::size_t begin, std::size_t end, const Store& store) const noexcept {
  struct Group {
    std::optional<ReadLock> shard;
    std::size_t begin = 0;
    std::size_t end = 0;
  };
  std::array<Group, kShardsAtOnce> groups;
  std::size_t count = 0;
  while (begin < end && count < groups.size()) {
    Group& group = groups[count++];
    group.begin = begin;
    group.end = begin = group_end(begin, end);
    if (auto shard = store.try_read_shard(step(group.begin).shard)) group.shard.emplace(*std::move(shard));
  }
  const auto each = [&](auto ask) {
    for (const Group& group : std::span(groups).first(count)) {
      if (!group.shard) continue;
      for (std::size_t i = group.begin; i < group.end; ++i) ask(*group.shard, step(i).key);
    }
  };
  each([](const ReadLock& shard, const HashedKey& key) { shard.prefetch_group(key); });
  each([](const ReadLock& shard, const HashedKey& key) { shard.prefetch_slot(key); });
  each([](const ReadLock& shard, const HashedKey& key) { shard.prefetch_entry(key); });
  return begin;
}

std::size_t Batch::group_end(std::size_t begin, std::size_t limit) const noexcept {
  std::size_t end = begin + 1;
  while (end < limit && steps_[end].shard == steps_[begin].shard) ++end;
  return end;
}

}  // namespace kv
