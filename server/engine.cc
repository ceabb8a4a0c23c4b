#include "server/engine.h"

#include <algorithm>
#include <array>
#include <new>

#include <fmt/format.h>

#include "core/error.h"
#include "core/units.h"
#include "core/utf8.h"

namespace kv {
namespace {

// A record of removals is closed at this size, however many keys are due.
constexpr std::size_t kExpireRecordBytes = 256 << 10;

// A change of one key costs at most its own mutation and the removal of a due entry that it finds.
std::size_t record_bytes_at_most(std::string_view key, std::string_view value) {
  return record_bytes_of(mutation_bytes_at_most(key.size(), value.size()) + mutation_bytes_at_most(key.size(), 0),
                         false);
}

absl::StatusOr<Level> level_of(const Ticket& ticket, std::optional<Level> asked) {
  if (!asked) return ticket.default_level();
  if (const absl::Status possible = ticket.check_level(*asked); !possible.ok()) return possible;
  return *asked;
}

Mutation removal(MutationKind kind, std::string_view key) { return {.kind = kind, .key = key, .value = {}}; }

// One change under its shard's lock, numbered and published. Everything that can fail has been done before it begins.
Revision append_set(Store& store, Clock& clock, Journal& journal, Ticket ticket, const HashedKey& key,
                    const HashedValue& value, UnixMillis expire_at, bool& existed) {
  WriteLock shard = store.write(key);
  const Entry* old = shard.find_even_due(key);
  const bool due = old != nullptr && old->due(clock.now());
  existed = old != nullptr && !due;
  PreparedPut prepared = shard.prepare_put(key, value, ValueType::kString, expire_at);
  const std::array<Mutation, 2> mutations = {
      removal(MutationKind::kExpire, key.key),
      Mutation{.kind = MutationKind::kSet, .expire_at = expire_at, .key = key.key, .value = value.value}};
  const Revision revision = journal.append(std::move(ticket), std::span(mutations).subspan(due ? 0 : 1));
  if (due) shard.erase(*old, revision);
  shard.publish(std::move(prepared), revision);
  return revision;
}

struct Removed {
  Revision revision = 0;  // of the removal, or of what the miss shows
  bool existed = false;
  bool changed = false;
};

Removed append_removal(Store& store, Clock& clock, Journal& journal, Ticket ticket, const HashedKey& key) {
  WriteLock shard = store.write(key);
  const Entry* old = shard.find_even_due(key);
  if (old == nullptr) return {.revision = shard.last_removal()};
  const bool due = old->due(clock.now());
  const Mutation mutation = removal(due ? MutationKind::kExpire : MutationKind::kDelete, key.key);
  const Revision revision = journal.append(std::move(ticket), std::span(&mutation, 1));
  shard.erase(*old, revision);
  return {.revision = revision, .existed = !due, .changed = true};
}

// Measures stages, for those who asked.
class Laps {
 public:
  explicit Laps(bool on) : on_(on), last_(on ? std::chrono::steady_clock::now() : MonotonicTime()) {}
  std::chrono::nanoseconds lap() noexcept {
    if (!on_) return {};
    const MonotonicTime now = std::chrono::steady_clock::now();
    return now - std::exchange(last_, now);
  }

 private:
  const bool on_;
  MonotonicTime last_;
};

// Names, as a message of repeated strings holds them.
std::size_t framed_bytes(std::size_t key_bytes) {
  return key_bytes + 2 + (key_bytes >= 128 ? 1 : 0) + (key_bytes >= 16384 ? 1 : 0);
}

}  // namespace

void Engine::start_serving() noexcept {
  State loading = State::kLoading;  // A stop that came first stands.
  state_.compare_exchange_strong(loading, State::kServing, std::memory_order_acq_rel);
}

absl::Status Engine::ready() const {
  switch (state_.load(std::memory_order_acquire)) {
    case State::kServing:
      return absl::OkStatus();
    case State::kLoading: {
      const std::string percent = fmt::format("{:.0f}", progress_.fraction() * 100);
      return error(Reason::kLoading, fmt::format("the data is being loaded, {} % done", percent),
                   {{"progress_percent", percent}});
    }
    case State::kStopping:
      break;
  }
  return error(Reason::kShuttingDown, "the server is stopping");
}

absl::Status Engine::check_key(std::string_view key) const {
  if (key.empty()) return error(Reason::kEmptyKey, "the key is empty or not set", {{"field", "key"}});
  if (key.size() <= limits_.key_bytes_max) return absl::OkStatus();
  return error(Reason::kKeyTooLarge,
               fmt::format("the key has {} bytes, the limit is {}", key.size(), limits_.key_bytes_max),
               {{"field", "key"}, {"limit", std::to_string(limits_.key_bytes_max)}});
}

absl::Status Engine::check_entry(std::string_view key, std::string_view value) const {
  if (const absl::Status checked = check_key(key); !checked.ok()) return checked;
  if (key.size() + value.size() <= limits_.entry_bytes_max) return absl::OkStatus();
  return error(Reason::kEntryTooLarge,
               fmt::format("key and value have {} bytes together, the limit is {}", key.size() + value.size(),
                           limits_.entry_bytes_max),
               {{"field", "value"}, {"limit", std::to_string(limits_.entry_bytes_max)}});
}

Task<absl::StatusOr<Written>> Engine::set(SetOperation operation, Caller& caller) {
  const HashedKey key(operation.key);
  const HashedValue value(operation.value);
  Laps laps(operation.timed);
  absl::StatusOr<Ticket> ticket =
      co_await journal_->admit(record_bytes_at_most(operation.key, operation.value), caller.home());
  if (!ticket.ok()) co_return ticket.status();
  const absl::StatusOr<Level> level = level_of(*ticket, operation.level);
  if (!level.ok()) co_return level.status();
  if (const absl::Status wanted = caller.still_wanted(); !wanted.ok()) co_return wanted;

  Written written{.level = *level};
  written.times.admission = laps.lap();
  try {
    written.revision =
        append_set(store_, clock_, *journal_, *std::move(ticket), key, value, operation.expire_at, written.existed);
  } catch (const std::bad_alloc&) {
    co_return error(Reason::kMemoryLimit, "no memory for this entry; nothing was changed");
  }
  laps.lap();
  const absl::Status reached = co_await journal_->wait_written(written.revision, *level, caller.home());
  if (!reached.ok()) co_return reached;
  written.times.durability = laps.lap();
  co_return written;
}

Task<absl::StatusOr<Written>> Engine::remove(DeleteOperation operation, Caller& caller) {
  const HashedKey key(operation.key);
  Laps laps(operation.timed);
  absl::StatusOr<Ticket> ticket = co_await journal_->admit(record_bytes_at_most(operation.key, {}), caller.home());
  if (!ticket.ok()) co_return ticket.status();
  const absl::StatusOr<Level> level = level_of(*ticket, operation.level);
  if (!level.ok()) co_return level.status();
  if (const absl::Status wanted = caller.still_wanted(); !wanted.ok()) co_return wanted;

  Written written{.level = *level};
  written.times.admission = laps.lap();
  const Revision visible_before = visible();
  const Removed removed = append_removal(store_, clock_, *journal_, *std::move(ticket), key);
  written.revision = std::max(removed.revision, visible_before);
  written.existed = removed.existed;
  laps.lap();
  absl::Status reached;
  if (removed.changed || operation.level) {
    reached = co_await journal_->wait_written(removed.revision, *level, caller.home());
  } else if (must_wait(removed.revision)) {
    reached = co_await journal_->wait_readable(removed.revision, caller.home());
  }
  if (!reached.ok()) co_return reached;
  written.times.durability = laps.lap();
  co_return written;
}

Task<absl::StatusOr<KeyListing>> Engine::keys(std::size_t bytes_max, Caller& caller) {
  KeyListing listing;
  std::size_t bytes = 0;
  for (std::size_t shard = 0; shard < store_.shard_count() && bytes <= bytes_max; ++shard) {
    if (shard != 0) {
      // Back of the queue: a long listing must not hold up every other call of this reactor.
      co_await OnCompletion([&caller](Completion& turn) { caller.home().post(turn); });
      if (const absl::Status wanted = caller.still_wanted(); !wanted.ok()) co_return wanted;
    }
    store_.read_shard(shard).for_each(clock_.now(), [&](const Entry& entry) {
      if (bytes > bytes_max) return;
      if (!is_utf8(entry.key())) {
        ++listing.omitted;
        return;
      }
      bytes += framed_bytes(entry.key().size());
      if (bytes <= bytes_max) listing.keys.emplace_back(entry.key());
    });
  }
  if (bytes > bytes_max) {
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

Task<absl::StatusOr<std::size_t>> Engine::expire(std::size_t shard, std::size_t keys_max, Scheduler& home) {
  std::vector<std::string> due;
  store_.collect_due(shard, clock_.now(), keys_max, due);
  if (due.empty()) co_return std::size_t{0};
  std::size_t bytes = 0;
  std::size_t fitting = 0;
  while (fitting < due.size() && (fitting == 0 || bytes < kExpireRecordBytes)) {
    bytes += mutation_bytes_at_most(due[fitting++].size(), 0);
  }
  due.resize(fitting);
  absl::StatusOr<Ticket> ticket = co_await journal_->admit(record_bytes_of(bytes, false), home);
  if (!ticket.ok()) co_return ticket.status();

  std::vector<HashedKey> keys(due.begin(), due.end());
  std::vector<Mutation> mutations;
  std::vector<const Entry*> entries;
  mutations.reserve(keys.size());
  entries.reserve(keys.size());
  WriteLock lock = store_.write_shard(shard);
  const UnixMillis now = clock_.now();
  for (const HashedKey& key : keys) {
    const Entry* entry = lock.find_even_due(key);
    if (entry == nullptr || !entry->due(now)) continue;  // Written or removed since it was collected.
    mutations.push_back(removal(MutationKind::kExpire, key.key));
    entries.push_back(entry);
  }
  if (entries.empty()) co_return std::size_t{0};
  const Revision revision = journal_->append(*std::move(ticket), mutations);
  for (const Entry* entry : entries) lock.erase(*entry, revision);
  co_return entries.size();
}

}  // namespace kv
