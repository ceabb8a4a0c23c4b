#include "server/transaction.h"

#include <algorithm>
#include <new>
#include <utility>

#include "core/error.h"

namespace kv {
namespace {

using Change = Decision::Change;

// Of one among others.
std::size_t record_bytes_of(const Mutation& mutation) noexcept {
  return kv::record_bytes_of(std::span(&mutation, 1), nullptr) - kv::record_bytes_of(0, false);
}

// What was the transaction's own is known now.
void number_outcome(Outcome& outcome, bool changes, Revision revision) noexcept {
  if (changes) outcome.revision = revision;
  if (outcome.entry.version == 0) outcome.entry.version = revision;
  if (outcome.entry.create_version == 0) outcome.entry.create_version = revision;
}

}  // namespace

Transaction::Transaction(Store& store, const TransactionRequest& request) : store_(store), request_(request) {
  const auto note = [this](const HashedKey& key) { shards_.push_back(store_.shard_of(key)); };
  compared_.reserve(request.comparisons.size());
  for (const Comparison& comparison : request.comparisons) note(compared_.emplace_back(comparison.key));
  const auto hash = [&](const std::vector<Operation>& operations, std::vector<Hashed>& hashed) {
    hashed.reserve(operations.size());
    for (const Operation& operation : operations) {
      note(hashed.emplace_back(Hashed{HashedKey(operation.key), HashedValue(operation.value)}).key);
    }
  };
  hash(request.then, then_);
  hash(request.otherwise, otherwise_);
  std::ranges::sort(shards_);
  shards_.erase(std::unique(shards_.begin(), shards_.end()), shards_.end());
}

bool Transaction::writes() const noexcept {
  const auto any = [](const std::vector<Operation>& operations) {
    return std::ranges::any_of(operations, [](const Operation& operation) { return operation.writes(); });
  };
  return any(request_.then) || any(request_.otherwise);
}

std::size_t Transaction::record_bytes_now(UnixMillis now) const {
  const auto most = [&](const std::vector<Operation>& operations, const std::vector<Hashed>& hashed) {
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < operations.size(); ++i) {
      if (!operations[i].writes()) continue;
      std::size_t present = 0;
      if (operations[i].kind == OperationKind::kAppend) {
        const ReadLock shard = store_.read(hashed[i].key);
        const Entry* entry = find_key(shard, hashed[i].key, now).seen().entry;
        if (entry != nullptr) present = entry->value().size();
      }
      bytes += record_bytes_at_most(operations[i], present);
    }
    return bytes;
  };
  const std::size_t bytes =
      kv::record_bytes_of(std::max(most(request_.then, then_), most(request_.otherwise, otherwise_)),
                          request_.options.request_id.has_value());
  return std::min<std::size_t>(bytes, kRecordBytesMax);
}

Transaction::Ran Transaction::run(std::optional<Ticket> ticket, const TransactionContext& context,
                                  TransactionSink& sink) {
  try {
    keys_.clear();
    decisions_.clear();
    puts_.clear();
    mutations_.clear();
    copied_bytes_ = mutation_bytes_ = 0;
    outcome_ = TransactionOutcome{.level = context.level, .decisions = {}};
    failed_at_.reset();
    earliest_expiry_ = kNoExpiry;
    lock_shards();
    now_ = context.clock.now();
    std::optional<RequestClaim> claim;  // given up before the shards are
    if (context.request) claim.emplace(store_.requests().claim(context.request->id, now_));
    if (claim && claim->first()) {
      replay(kv::replay(*claim->first(), *context.request, OperationKind::kNone, context.level), sink);
    } else if (run_locked(ticket, context, sink, claim) == Ran::kTicketTooSmall) {
      claim.reset();
      locks_.clear();
      return Ran::kTicketTooSmall;
    }
  } catch (const std::bad_alloc&) {
    error_ = no_memory();
  }
  locks_.clear();
  return Ran::kDone;
}

Transaction::Ran Transaction::run_locked(std::optional<Ticket>& ticket, const TransactionContext& context,
                                         TransactionSink& sink, std::optional<RequestClaim>& claim) {
  outcome_.succeeded = succeeded_ = compare();
  error_ = decide_all(context);
  record_bytes_ = kv::record_bytes_of(mutation_bytes_, claim.has_value());
  if (error_.ok() && record_bytes_ > kRecordBytesMax) return Ran::kTicketTooSmall;
  const bool refused = !error_.ok();
  if (refused && (!claim || refusal_number(error_) == 0)) return Ran::kDone;
  if (refused) mutations_.clear();
  RequestBlock block;
  if (claim) block = block_of(*context.request);
  record_bytes_ = kv::record_bytes_of(mutations_, claim ? &block : nullptr);
  if (ticket && !ticket->holds(mutations_, claim.has_value())) return Ran::kTicketTooSmall;
  if (!refused) error_ = sink.reserve(outcome_);
  if (!refused && !error_.ok()) return Ran::kDone;
  if (!refused) make_expiries();
  if (claim || !mutations_.empty()) {
    const Revision revision = context.journal.append(*std::move(ticket), mutations_, claim ? &block : nullptr);
    if (!mutations_.empty()) outcome_.revision = revision;
    if (claim) {
      claim->remember(block, revision);
      outcome_.logged = revision;
    }
  }
  if (refused) return Ran::kDone;
  number(outcome_.revision, context.visible_before);
  sink.take(outcome_);
  publish();
  return Ran::kDone;
}

// `applied` is whether anything changed; `created` keeps whether the comparisons held, and `value`, of a refusal, which
// operation it was.
RequestBlock Transaction::block_of(const RequestKey& key) const noexcept {
  RequestBlock block{.id = key.id, .request_hash = key.hash, .created = succeeded_};
  block.applied = error_.ok() && !mutations_.empty();
  if (error_.ok()) return block;
  block.added = refusal_number(error_);
  block.value = static_cast<std::int64_t>(failed_at_.value_or(0));
  return block;
}

void Transaction::replay(const Outcome& first, TransactionSink& sink) {
  error_ = first.error;
  outcome_ = TransactionOutcome{.succeeded = first.created,
                                .revision = first.revision,
                                .shown = first.shown,
                                .logged = first.logged,
                                .replayed = first.replayed,
                                .level = first.level,
                                .decisions = {}};
  succeeded_ = first.created;
  if (!error_.ok()) {
    const auto at = static_cast<std::size_t>(first.counter);
    if (first.replayed && at < branch().size()) failed_at_ = at;
    return;
  }
  try {
    error_ = sink.reserve(outcome_);
    if (error_.ok()) sink.take(outcome_);
  } catch (const std::bad_alloc&) {
    error_ = no_memory();
  }
}

void Transaction::lock_shards() {
  locks_.reserve(shards_.size());
  for (const std::size_t shard : shards_) locks_.push_back(store_.write_shard(shard));
}

Transaction::Key& Transaction::look(const HashedKey& key) {
  const auto [place, is_new] = keys_.try_emplace(key.key);
  Key& looked = place->second;
  if (is_new) {
    const auto shard = std::ranges::lower_bound(shards_, store_.shard_of(key));
    looked.shard = &locks_[static_cast<std::size_t>(shard - shards_.begin())];
    looked.found = find_key(*looked.shard, key, now_);
    looked.seen = looked.found.seen();
    outcome_.shown = std::max(outcome_.shown, looked.found.shown);
  }
  return looked;
}

bool Transaction::compare() {
  bool all = true;
  for (std::size_t i = 0; i < compared_.size(); ++i) {
    all = holds(request_.comparisons[i].precondition, look(compared_[i]).seen) && all;
  }
  return all;
}

absl::Status Transaction::decide_all(const TransactionContext& context) {
  const std::vector<Operation>& operations = branch();
  decisions_.resize(operations.size());
  for (std::size_t i = 0; i < operations.size(); ++i) {
    const Hashed& hashed = hashed_branch()[i];
    Key& key = look(hashed.key);
    Decision& decision = decisions_[i];
    decide(operations[i], key.seen, now_, context.entry_bytes_max, decision);
    decision.outcome.level = context.level;
    if (!decision.outcome.error.ok()) {
      failed_at_ = i;
      return decision.outcome.error;
    }
    key.shown = key.shown || decision.outcome.entry.with_value;
    const absl::Status carried = carry_out(operations[i], hashed, key, decision, context);
    if (!carried.ok()) return carried;
    if (mutation_bytes_ > kRecordBytesMax) break;  // run_locked() sees it
  }
  outcome_.decisions = decisions_;
  return absl::OkStatus();
}

// What the operation changes, as far as the transaction can see it.
absl::Status Transaction::carry_out(const Operation& operation, const Hashed& hashed, Key& key, Decision& decision,
                                    const TransactionContext& context) {
  if (decision.change == Change::kNone) return absl::OkStatus();
  if (key.found.due && !key.erased) {
    key.erased = true;
    log(MutationKind::kExpire, operation.key, kNoExpiry, {});
  }
  if (decision.change == Change::kRemove) {
    log(decision.removed_by_time ? MutationKind::kExpire : MutationKind::kDelete, operation.key, kNoExpiry, {});
    give_up_expiry(key);
    key.erased = true;
    key.put = kNothing;
    key.copied = 0;
    key.shown = false;
    key.seen = SeenKey();
    return absl::OkStatus();
  }
  const absl::Status counted = count_copies(key, decision, context);
  if (!counted.ok()) return counted;
  // Before it is put: the versions that it goes on from.
  const bool goes_on = key.seen.entry != nullptr;
  const Revision create_version = !goes_on              ? 0
                                  : key.seen.unnumbered ? key.seen.create_version
                                                        : key.seen.entry->create_version();
  if (decision.change == Change::kPut) {
    const HashedValue value = decision.makes_value ? HashedValue(decision.made) : hashed.value;
    give_up_expiry(key);
    keep(key, key.shard->prepare_put(hashed.key, value, ValueType::kString, decision.expire_at), decision.made.size());
    log(MutationKind::kSet, operation.key, decision.expire_at, decision.value());
    key.seen = {.entry = &puts_[key.put].entry()};
  } else {
    log(MutationKind::kSetExpiry, operation.key, decision.expire_at, {});
    key.seen.new_expiry = decision.expire_at;
  }
  key.seen.unnumbered = true;
  key.seen.create_version = create_version;
  if (decision.expire_at != kNoExpiry && (earliest_expiry_ == kNoExpiry || decision.expire_at < earliest_expiry_))
    earliest_expiry_ = decision.expire_at;
  return absl::OkStatus();
}

// Before they are made, but for a value that the decision has made already.
absl::Status Transaction::count_copies(const Key& key, const Decision& decision, const TransactionContext& context) {
  if (decision.change == Change::kPut) {
    copied_bytes_ += 2 * decision.made.size();  // in what is put, too
  } else if (!key.seen.new_expiry) {
    copied_bytes_ += key.seen.entry->value().size();
  }
  if (copied_bytes_ == 0) return absl::OkStatus();  // The request's own bytes were asked about.
  return context.memory.admit(context.added_bytes + copied_bytes_);
}

// Before the key becomes something else.
void Transaction::give_up_expiry(Key& key) noexcept {
  if (key.seen.new_expiry) copied_bytes_ -= key.seen.entry->value().size();
}

// The entries of keys of which the last that changed was their expiry: the only copies of values that no record holds,
// so one for each key. What is seen of the keys is not looked at any more.
void Transaction::make_expiries() {
  for (auto& [text, key] : keys_) {
    if (key.seen.new_expiry) keep(key, key.shard->prepare_expiry(*key.seen.entry, *key.seen.new_expiry), 0);
  }
}

// In place of what the key would have been, unless the answer shows that.
void Transaction::keep(Key& key, PreparedPut put, std::size_t copied) {
  if (key.put == kNothing || key.shown) {
    puts_.push_back(std::move(put));
    key.put = puts_.size() - 1;
  } else {
    puts_[key.put] = std::move(put);
    copied_bytes_ -= key.copied;
  }
  key.copied = copied;
  key.shown = false;
}

void Transaction::log(MutationKind kind, std::string_view key, UnixMillis expire_at, std::string_view value) {
  mutation_bytes_ += record_bytes_of(
      mutations_.emplace_back(Mutation{.kind = kind, .expire_at = expire_at, .key = key, .value = value}));
}

void Transaction::number(Revision revision, Revision visible_before) noexcept {
  const Revision read_at = revision != 0 ? revision : std::max(outcome_.shown, visible_before);
  for (Decision& decision : decisions_) {
    const bool is_read = decision.outcome.kind == OperationKind::kGet;
    number_outcome(decision.outcome, is_read || decision.change != Change::kNone, is_read ? read_at : revision);
  }
}

void Transaction::publish() noexcept {
  for (auto& [text, key] : keys_) {
    if (key.erased && key.found.entry != nullptr) key.shard->erase(*key.found.entry, outcome_.revision);
    if (key.put != kNothing) key.shard->publish(std::move(puts_[key.put]), outcome_.revision);
  }
}

}  // namespace kv
