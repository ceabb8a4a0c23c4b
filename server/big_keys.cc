#include "server/big_keys.h"

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "core/error.h"
#include "rpc/overload.h"
#include "server/calling_client.h"
#include "server/entry_message.h"

namespace kv {
namespace {

namespace v1 = kvstore::v1;

constexpr std::uint32_t kKeysByDefault = 10;
constexpr std::uint32_t kKeysMax = 1000;
// Then the walk looks whether the server stops.
constexpr std::chrono::milliseconds kPatience{200};

absl::Status refuse_field(std::string_view field, std::string_view why) {
  return error(Reason::kFieldInvalid, fmt::format("{} {}", field, why), {{"field", std::string(field)}});
}

}  // namespace

// The biggest so far, the smallest of them in front. Bounded by a count, and by what an answer may hold.
class BigKeys::Top {
 public:
  Top(std::size_t keys_max, std::size_t bytes_max) : keys_max_(keys_max), bytes_max_(bytes_max) {}

  bool wants(const Entry& entry) const noexcept {
    return keys_.size() < keys_max_ || entry.block_bytes() > smallest_block_;
  }
  // Under the shard's lock.
  void take(const Entry& entry) {
    if (!wants(entry)) return;
    v1::Entry shown;
    shown.set_key(std::string(entry.key()));
    describe(entry, shown);
    if (keys_.size() == keys_max_) drop_smallest();
    bytes_ += bytes_of(shown);
    keys_.push_back({entry.block_bytes(), std::move(shown)});
    std::push_heap(keys_.begin(), keys_.end(), bigger);
    smallest_block_ = keys_.front().block_bytes;
  }
  bool too_large() const noexcept { return bytes_ > bytes_max_; }

  void move_to(v1::ListBigKeysResponse& response) {
    std::sort_heap(keys_.begin(), keys_.end(), bigger);  // biggest first
    for (Key& key : keys_) *response.add_keys() = std::move(key.shown);
  }

 private:
  struct Key {
    std::size_t block_bytes;
    v1::Entry shown;
  };
  static bool bigger(const Key& a, const Key& b) {
    return a.block_bytes != b.block_bytes ? a.block_bytes > b.block_bytes : a.shown.key() < b.shown.key();
  }
  static std::size_t bytes_of(const v1::Entry& entry) noexcept { return kEntryMessageBytes + entry.key().size(); }
  void drop_smallest() {
    std::pop_heap(keys_.begin(), keys_.end(), bigger);
    bytes_ -= bytes_of(keys_.back().shown);
    keys_.pop_back();
  }

  const std::size_t keys_max_;
  const std::size_t bytes_max_;
  std::vector<Key> keys_;
  std::size_t bytes_ = 0;
  std::size_t smallest_block_ = 0;
};

Task<absl::StatusOr<v1::ListBigKeysResponse>> BigKeys::find(Call& call, const v1::ListBigKeysRequest& request) {
  if (request.limit() > kKeysMax) co_return refuse_field("limit", fmt::format("is more than {}", kKeysMax));
  if (!v1::ValueType_IsValid(request.type())) co_return refuse_field("type", "is unknown");
  if (walking_.exchange(true)) co_return overloaded("another walk for big keys is under way", 1, kWalksPass);
  CallingClient client(call);
  Top top(request.limit() == 0 ? kKeysByDefault : request.limit(), engine_.limits().response_bytes_max());
  const bool any = request.type() == v1::VALUE_TYPE_UNSPECIFIED;
  const auto type = static_cast<ValueType>(request.type());
  WalkOptions options;
  options.budget_bytes = engine_.limits().scan_budget_bytes;
  // What cannot be among the biggest is not even put in order.
  options.matches = [&top, any, type](const Entry& entry) { return (any || entry.type() == type) && top.wants(entry); };

  co_await engine_.walks().turn();
  StoreWalk walk(engine_.store(), engine_.clock(), std::move(options));
  const absl::Status walked = co_await walk_all(walk, top, client);
  co_await engine_.walks().let_go(walk);
  co_await resume_on(call.home());
  walking_ = false;
  if (!walked.ok()) co_return walked;

  v1::ListBigKeysResponse response;
  const Revision shown = engine_.applied();  // Nothing that the walk has seen is newer.
  response.set_revision(shown);
  response.set_examined(walk.examined());
  top.move_to(response);
  if (engine_.must_wait(shown)) {
    const absl::Status readable = co_await engine_.until_readable(shown, call.home());
    if (!readable.ok()) co_return readable;
  }
  co_return response;
}

Task<absl::Status> BigKeys::walk_all(StoreWalk& walk, Top& top, Caller& caller) {
  const StoreWalk::Show show = [&top](const Entry& entry) {
    top.take(entry);
    return !top.too_large();
  };
  while (true) {
    const auto step = co_await engine_.walks().walk_on(walk, show, caller, kPatience);
    if (!step.ok()) co_return step.status();
    if (*step == StoreWalk::Step::kEnd) co_return absl::OkStatus();
    if (top.too_large()) {
      co_return error(Reason::kResponseTooLarge,
                      "so many keys of this length do not fit into one answer; ask for fewer");
    }
    if (const absl::Status ready = engine_.ready(); !ready.ok()) co_return ready;
  }
}

}  // namespace kv
