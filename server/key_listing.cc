// Engine::keys(): every key, for the old service.
//
// Hard part: nobody knows how large it becomes, and many may ask at once. So the names are written as the message has
// them, into one block: an object for each would hold five times what a short name has there. Whenever the block is to
// grow, the caller says whether it may.
#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "core/error.h"
#include "core/units.h"
#include "core/utf8.h"
#include "core/wire.h"
#include "server/engine.h"

namespace kv {
namespace {

constexpr std::size_t kFirstBlockBytes = 64 << 10;
constexpr char kKeysTag = static_cast<char>(wire_tag(1, WireType::kBytes));

std::size_t framed_bytes(std::size_t key_bytes) { return 1 + varint_bytes(key_bytes) + key_bytes; }

void write_framed(std::string_view key, std::string& names) {
  names.push_back(kKeysTag);
  std::size_t left = key.size();
  for (; left >= 0x80; left >>= 7) names.push_back(static_cast<char>(left | 0x80));
  names.push_back(static_cast<char>(left));
  names.append(key);
}

// Collects what a walk shows, up to a bound.
class KeyCollector {
 public:
  KeyCollector(KeyListing& listing, std::size_t bytes_max, Caller& caller)
      : listing_(listing), bytes_max_(bytes_max), caller_(caller) {}

  // False when it can take no more: refused() says why. Throws std::bad_alloc.
  bool take(const Entry& entry) {
    if (!is_utf8(entry.key())) {
      ++listing_.omitted;
      return true;
    }
    const std::size_t bytes = listing_.names.size() + framed_bytes(entry.key().size());
    if (bytes > bytes_max_) {
      refused_ = error(Reason::kResponseTooLarge,
                       fmt::format("the names of all keys have more than {} bytes; list them in parts with Scan",
                                   format_size(bytes_max_)),
                       {{"limit", std::to_string(bytes_max_)}});
    } else if (bytes > listing_.names.capacity()) {
      grow(bytes);
    }
    if (refused_.ok()) write_framed(entry.key(), listing_.names);
    return refused_.ok();
  }
  const absl::Status& refused() const noexcept { return refused_; }

 private:
  void grow(std::size_t needed) {
    const std::size_t old = listing_.names.capacity();
    const std::size_t larger = std::max({needed, 2 * old, kFirstBlockBytes});
    refused_ = caller_.holds(old + larger);  // both, while one is copied into the other
    if (refused_.ok()) listing_.names.reserve(larger);
  }

  KeyListing& listing_;
  const std::size_t bytes_max_;
  Caller& caller_;
  absl::Status refused_;
};

}  // namespace

Task<absl::StatusOr<KeyListing>> Engine::keys(std::size_t bytes_max, Caller& caller) {
  const absl::StatusOr<WalkBound::Place> place = walk_bound_.take();
  if (!place.ok()) co_return place.status();
  KeyListing listing;
  KeyCollector collector(listing, bytes_max, caller);
  StoreWalk walk(store_, clock_, {});
  const StoreWalk::Show show = [&collector](const Entry& entry) { return collector.take(entry); };
  co_await walks_.turn();
  const auto walked = co_await walks_.walk_on(walk, show, caller, std::chrono::hours(24));
  co_await walks_.let_go(walk);
  co_await resume_on(caller.home());
  if (!walked.ok()) co_return walked.status();
  if (*walked == StoreWalk::Step::kFull) co_return collector.refused();
  // Nothing in the list is newer than what is applied now, its removals and expiries included.
  listing.revision = journal_->applied();
  if (must_wait(listing.revision)) {
    const absl::Status readable = co_await journal_->wait_readable(listing.revision, caller.home());
    if (!readable.ok()) co_return readable;
  }
  co_return listing;
}

}  // namespace kv
