#include "server/executor.h"

#include <array>
#include <optional>
#include <span>

#include "core/error.h"

namespace kv {
namespace {

using Change = Decision::Change;

// The mutations of one write, in the order of the log: a due entry goes first.
class Mutations {
 public:
  Mutations(const Operation& operation, const Decision& decision, bool due) noexcept {
    const bool gone_already = due && decision.change == Change::kRemove;
    if (due) add({.kind = MutationKind::kExpire, .key = operation.key, .value = {}});
    if (decision.change != Change::kNone && !gone_already) add(mutation_of(operation, decision));
  }
  std::span<const Mutation> all() const noexcept { return std::span(mutations_).first(count_); }

 private:
  void add(const Mutation& mutation) noexcept { mutations_[count_++] = mutation; }

  static Mutation mutation_of(const Operation& operation, const Decision& decision) noexcept {
    Mutation mutation{.expire_at = decision.expire_at, .key = operation.key, .value = {}};
    switch (decision.change) {
      case Change::kPut:
        mutation.value = decision.value();
        break;
      case Change::kSetExpiry:
        mutation.kind = MutationKind::kSetExpiry;
        break;
      case Change::kRemove:
      case Change::kNone:
        mutation.kind = decision.removed_by_time ? MutationKind::kExpire : MutationKind::kDelete;
    }
    return mutation;
  }

  std::array<Mutation, 2> mutations_;
  std::size_t count_ = 0;
};

std::optional<PreparedPut> prepare(WriteLock& shard, const FoundKey& found, const HashedKey& key,
                                   const HashedValue& value, const Decision& decision) {
  switch (decision.change) {
    case Change::kPut: {
      const HashedValue put = decision.makes_value ? HashedValue(decision.made) : value;
      // What is due is removed first.
      if (found.entry == nullptr || found.due)
        return shard.prepare_put(key, put, ValueType::kString, decision.expire_at);
      return shard.prepare_over(*found.entry, key, put, ValueType::kString, decision.expire_at);
    }
    case Change::kSetExpiry: {
      const HashedValue same(found.entry->value(), found.entry->value_hash());
      return shard.prepare_over(*found.entry, key, same, found.entry->type(), decision.expire_at);
    }
    case Change::kRemove:
    case Change::kNone:
      break;
  }
  return std::nullopt;
}

// What was the change's own is known now.
void number(Outcome& outcome, Revision revision) noexcept {
  outcome.revision = revision;
  EntryShown& entry = outcome.entry;
  if (entry.version == 0) entry.version = revision;
  if (entry.create_version == 0) entry.create_version = revision;
}

}  // namespace

void look(const FoundKey& found, const Operation& operation, Revision visible_before, OutcomeSink& sink,
          Outcome& outcome) {
  Decision decision;
  decide(operation, found.seen(), 0, 0, decision);
  outcome = std::move(decision.outcome);
  outcome.shown = found.shown;
  outcome.revision = std::max(found.shown, visible_before);
  if (outcome.error.ok()) outcome.error = sink.reserve(outcome);
  if (outcome.error.ok()) sink.take(outcome);
}

bool apply(WriteLock& shard, const Operation& operation, const HashedKey& key, const HashedValue& value, Ticket& ticket,
           const WriteContext& context, OutcomeSink* sink, Decision& decision) {
  Outcome& outcome = decision.outcome;
  std::optional<RequestClaim> claim;  // held to the end: nobody else applies a write with this id meanwhile
  if (context.request) {
    claim.emplace(context.requests.claim(context.request->id, context.now));
    if (claim->first()) {
      outcome = replay(*claim->first(), *context.request, operation.kind, context.level);
      tell(sink, outcome);
      return true;
    }
  }
  const FoundKey found = find_key(shard, key, context.now);
  decide(operation, found.seen(), context.now, context.entry_bytes_max, decision);
  outcome.shown = found.shown;
  outcome.level = context.level;
  const bool refused = !outcome.error.ok();
  if (refused && (!claim || refusal_number(outcome.error) == 0)) return true;

  const Mutations mutations(operation, decision, found.due);
  if (!ticket.holds(mutations.all(), claim.has_value())) return false;
  if (sink != nullptr && !refused) {
    outcome.error = sink->reserve(outcome);
    if (!outcome.error.ok()) return true;
  }
  std::optional<PreparedPut> prepared = prepare(shard, found, key, value, decision);

  RequestBlock block;
  if (claim) block = block_of(*context.request, outcome);
  if (claim || !mutations.all().empty()) {
    const Revision revision = context.journal.append(ticket, mutations.all(), claim ? &block : nullptr);
    if (decision.change != Change::kNone) {
      number(outcome, revision);
    } else {
      outcome.shown = revision;  // the removal of what was due, or the answer that is remembered
    }
    if (claim) {
      claim->remember(block, revision);
      outcome.logged = revision;
    }
  }
  if (sink != nullptr && !refused) sink->take(outcome);
  if (found.entry != nullptr && (found.due || decision.change == Change::kRemove)) {
    shard.erase(*found.entry, std::max(outcome.revision, outcome.shown));
  }
  if (prepared) shard.publish(*std::move(prepared), outcome.revision);
  return true;
}

void tell(OutcomeSink* sink, Outcome& outcome) {
  if (sink == nullptr || !outcome.error.ok()) return;
  outcome.error = sink->reserve(outcome);
  if (outcome.error.ok()) sink->take(outcome);
}

absl::Status no_memory() { return error(Reason::kMemoryLimit, "no memory for this; nothing was changed"); }

std::size_t record_bytes_at_most(const Operation& operation, std::size_t present_bytes) noexcept {
  std::size_t value_bytes = operation.value.size();
  if (operation.kind == OperationKind::kIncrement) value_bytes = kCounterBytesMax;
  if (operation.kind == OperationKind::kAppend) value_bytes += present_bytes;
  return record_bytes_of(
      mutation_bytes_at_most(operation.key.size(), value_bytes) + mutation_bytes_at_most(operation.key.size(), 0),
      operation.options.request_id.has_value());
}

}  // namespace kv
