// Engine::keys(): every key, for the old service.
#include <chrono>

#include <fmt/format.h>

#include "core/error.h"
#include "core/units.h"
#include "core/utf8.h"
#include "server/engine.h"

namespace kv {
namespace {

// Names, as a message of repeated strings holds them.
std::size_t framed_bytes(std::size_t key_bytes) {
  return key_bytes + 2 + (key_bytes >= 128 ? 1 : 0) + (key_bytes >= 16384 ? 1 : 0);
}

// Collects what a walk shows, up to a bound.
class KeyCollector {
 public:
  KeyCollector(KeyListing& listing, std::size_t bytes_max) : listing_(listing), bytes_max_(bytes_max) {}

  // False when the bound is passed.
  bool take(const Entry& entry) {
    if (!is_utf8(entry.key())) {
      ++listing_.omitted;
      return true;
    }
    bytes_ += framed_bytes(entry.key().size());
    if (bytes_ > bytes_max_) return false;
    listing_.keys.emplace_back(entry.key());
    return true;
  }

 private:
  KeyListing& listing_;
  const std::size_t bytes_max_;
  std::size_t bytes_ = 0;
};

}  // namespace

Task<absl::StatusOr<KeyListing>> Engine::keys(std::size_t bytes_max, Caller& caller) {
  KeyListing listing;
  KeyCollector collector(listing, bytes_max);
  StoreWalk walk(store_, clock_, {});
  const StoreWalk::Show show = [&collector](const Entry& entry) { return collector.take(entry); };
  co_await walks_.turn();
  const auto walked = co_await walks_.walk_on(walk, show, caller, std::chrono::hours(24));
  co_await walks_.let_go(walk);
  co_await resume_on(caller.home());
  if (!walked.ok()) co_return walked.status();
  if (*walked == StoreWalk::Step::kFull) {
    co_return error(Reason::kResponseTooLarge,
                    fmt::format("the names of all keys have more than {} bytes; list them in parts with Scan",
                                format_size(bytes_max)),
                    {{"limit", std::to_string(bytes_max)}});
  }
  // Nothing in the list is newer than what is applied now, its removals and expiries included.
  listing.revision = journal_->applied();
  if (must_wait(listing.revision)) {
    const absl::Status readable = co_await journal_->wait_readable(listing.revision, caller.home());
    if (!readable.ok()) co_return readable;
  }
  co_return listing;
}

}  // namespace kv
