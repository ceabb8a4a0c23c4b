#include "store/request_window.h"

#include <algorithm>
#include <bit>
#include <cassert>

#include "core/checksum.h"
#include "store/request_stripe.h"
#include "store/store.h"

namespace kv {
namespace {

using namespace std::chrono_literals;

using Slot = RequestStripe::Slot;

constexpr std::size_t kBucketsMin = 64;
// More than one, so that a stripe gets rid of what lies behind while new ids come; few, because a write waits for it.
constexpr std::size_t kDroppedPerClaim = 4;

// Seeded anew in every process, as the shards' tables are. The highest bits choose the stripe, the lowest the bucket.
std::uint64_t hash_of(const RequestId& id) noexcept { return table_hash(as_text(id)); }

}  // namespace

// ---- One stripe ----

Slot* RequestStripe::find(const RequestId& id, std::uint64_t hash) const noexcept {
  if (buckets.empty()) return nullptr;
  const std::size_t bucket = bucket_of(hash);
  Slot* slot = (bits[bucket] & bit_of(hash)) != 0 ? buckets[bucket] : nullptr;
  while (slot != nullptr && slot->request.block.id != id) slot = slot->next;
  return slot;
}

void RequestStripe::prefetch(std::uint64_t hash) const noexcept {
  if (buckets.empty()) return;
  __builtin_prefetch(&bits[bucket_of(hash)]);
  __builtin_prefetch(&buckets[bucket_of(hash)]);  // which a new id is put in
}

void RequestStripe::take_place() {
  if (buckets.empty()) {
    grow(kBucketsMin);
  } else if (slots.size() >= buckets.size()) {
    try {
      grow(buckets.size() * 2);
    } catch (const std::bad_alloc&) {
      // Longer chains do as well.
    }
  }
  slots.emplace_back();
}

void RequestStripe::put_in(Slot& slot, std::uint64_t hash) noexcept {
  const std::size_t bucket = bucket_of(hash);
  // Before older ones: of two with the same id the newer is found.
  slot.next = std::exchange(buckets[bucket], &slot);
  bits[bucket] |= bit_of(hash);
}

void RequestStripe::take_out(const Slot& oldest) noexcept {
  const std::size_t bucket = bucket_of(hash_of(oldest.request.block.id));
  Slot** link = &buckets[bucket];
  while (*link != &oldest) link = &(*link)->next;
  *link = oldest.next;
  if (buckets[bucket] == nullptr) bits[bucket] = 0;
}

void RequestStripe::fill(const RememberedRequest& request, std::uint64_t hash, std::uint64_t number) noexcept {
  slots.back() = {.request = request, .number = number};
  put_in(slots.back(), hash);
}

std::size_t RequestStripe::drop(const RequestHorizon& horizon, std::size_t most) noexcept {
  std::size_t dropped = 0;
  while (dropped < most && !slots.empty() && slots.front().behind(horizon)) {
    Slot& oldest = slots.front();
    take_out(oldest);
    if (oldest.number < horizon.number) crowded_out = std::max(crowded_out, oldest.request.time);
    slots.pop_front();
    ++dropped;
  }
  return dropped;
}

void RequestStripe::reserve(std::size_t count) {
  if (count > std::max(buckets.size(), kBucketsMin)) grow(count);
}

void RequestStripe::clear() noexcept {
  slots.clear();
  std::fill(buckets.begin(), buckets.end(), nullptr);
  std::fill(bits.begin(), bits.end(), std::uint16_t{0});
  crowded_out = 0;
}

void RequestStripe::grow(std::size_t count) {
  assert(std::has_single_bit(count));
  decltype(buckets) larger(count, nullptr, buckets.get_allocator());
  decltype(bits) larger_bits(count, std::uint16_t{0}, bits.get_allocator());
  buckets.swap(larger);
  bits.swap(larger_bits);
  for (Slot& slot : slots) put_in(slot, hash_of(slot.request.block.id));
}

// ---- A claim ----

RequestClaim::RequestClaim(RequestWindow& window, const RequestId& id, UnixMillis now)
    : window_(&window), hash_(hash_of(id)), stripe_(&window.stripe_of(hash_)), now_(now) {
  std::unique_lock lock(stripe_->lock);
  const Slot* slot = stripe_->find(id, hash_);
  if (slot != nullptr && !slot->behind(window.horizon(now))) {
    first_ = slot->request;
  } else {
    stripe_->take_place();
    place_taken_ = true;
  }
  lock.release();  // The destructor unlocks.
}

void RequestClaim::remember(const RequestBlock& block, Revision revision) noexcept {
  assert(place_taken_);
  place_taken_ = false;
  const std::uint64_t number = window_->newest_.fetch_add(1) + 1;
  stripe_->fill({.block = block, .revision = revision, .time = now_}, hash_, number);
  stripe_->drop(window_->horizon(now_), kDroppedPerClaim);
}

void RequestClaim::amend(const RequestBlock& block, Revision revision) noexcept {
  assert(first_ && first_->block.id == block.id);
  RememberedRequest& request = stripe_->find(block.id, hash_)->request;
  request.block = block;
  request.revision = revision;
}

RequestClaim::~RequestClaim() {
  if (stripe_ == nullptr) return;
  if (place_taken_) stripe_->give_place_back();
  stripe_->lock.unlock();
}

// ---- The window ----

RequestWindow::RequestWindow(RequestBounds bounds)
    : bounds_(bounds), stripes_(std::make_unique<RequestStripe[]>(kStripes)) {
  assert(bounds.count > 0);
}
RequestWindow::~RequestWindow() = default;

RequestHorizon RequestWindow::horizon(UnixMillis now) const noexcept {
  const std::uint64_t newest = newest_.load();
  return {.time = now - bounds_.age.count(), .number = newest > bounds_.count ? newest - bounds_.count + 1 : 0};
}

RequestStripe& RequestWindow::stripe_of(std::uint64_t hash) const noexcept {
  static_assert(std::has_single_bit(kStripes));
  return stripes_[hash >> (64 - std::countr_zero(kStripes))];
}

std::optional<RememberedRequest> RequestWindow::find(const RequestId& id, UnixMillis now) const {
  const std::uint64_t hash = hash_of(id);
  const RequestStripe& stripe = stripe_of(hash);
  const std::lock_guard lock(stripe.lock);
  const Slot* slot = stripe.find(id, hash);
  if (slot == nullptr || slot->behind(horizon(now))) return std::nullopt;
  return slot->request;
}

bool RequestWindow::holds(const RequestId& id) const noexcept {
  const std::uint64_t hash = hash_of(id);
  const RequestStripe& stripe = stripe_of(hash);
  const std::lock_guard lock(stripe.lock);
  return stripe.find(id, hash) != nullptr;
}

void RequestWindow::prefetch(const RequestId& id) const noexcept {
  const std::uint64_t hash = hash_of(id);
  const RequestStripe& stripe = stripe_of(hash);
  const std::lock_guard lock(stripe.lock);
  stripe.prefetch(hash);
}

std::size_t RequestWindow::forget(std::size_t stripe, UnixMillis now, std::size_t most) noexcept {
  const std::lock_guard lock(stripes_[stripe].lock);
  return stripes_[stripe].drop(horizon(now), most);
}

void RequestWindow::reserve(std::uint64_t count) {
  const std::uint64_t each = std::bit_ceil(std::min(count, bounds_.count) / kStripes);
  for (std::size_t i = 0; i < kStripes; ++i) {
    const std::lock_guard lock(stripes_[i].lock);
    stripes_[i].reserve(each);
  }
}

void RequestWindow::restore(const RememberedRequest& request) {
  const std::uint64_t hash = hash_of(request.block.id);
  RequestStripe& stripe = stripe_of(hash);
  const std::lock_guard lock(stripe.lock);
  stripe.take_place();
  if (Slot* const older = stripe.find(request.block.id, hash); older != nullptr) {
    older->request.block = request.block;
    older->request.revision = request.revision;
  }
  stripe.fill(request, hash, ++newest_);
  stripe.drop(horizon(request.time), kDroppedPerClaim);
}

void RequestWindow::clear() noexcept {
  for (std::size_t i = 0; i < kStripes; ++i) {
    const std::lock_guard lock(stripes_[i].lock);
    stripes_[i].clear();
  }
  newest_ = 0;
}

RequestFigures RequestWindow::figures(UnixMillis now) const {
  RequestFigures figures;
  UnixMillis crowded_out = 0;
  for (std::size_t i = 0; i < kStripes; ++i) {
    const RequestStripe& stripe = stripes_[i];
    const std::lock_guard lock(stripe.lock);
    const RequestHorizon limit = horizon(now);
    figures.ids += stripe.slots.size();
    figures.memory_bytes += stripe.memory.bytes() + sizeof stripe;
    crowded_out = std::max(crowded_out, stripe.crowded_out);
    for (const Slot& slot : stripe.slots) {
      if (!slot.behind(limit)) break;
      --figures.ids;
      if (slot.number < limit.number) crowded_out = std::max(crowded_out, slot.request.time);
    }
  }
  figures.kept = bounds_.age;
  if (crowded_out != 0) figures.kept = std::clamp(std::chrono::milliseconds(now - crowded_out), 0ms, bounds_.age);
  return figures;
}

std::uint64_t RequestWindow::count_frozen() const noexcept {
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < kStripes; ++i) count += stripes_[i].slots.size();
  return count;
}

}  // namespace kv
