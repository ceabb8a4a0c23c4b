#include "server/decision.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include <fmt/format.h>

#include "core/error.h"

namespace kv {
namespace {

using Kind = ExpiryPolicy::Kind;
using Change = Decision::Change;

// What an entry takes beside its block: its slot in a table that is two thirds full, and the allocator's rounding.
constexpr std::size_t kSlotShareBytes = 16;

EntryShown show(const SeenKey& seen, bool with_value) noexcept {
  EntryShown shown;
  if (seen.entry == nullptr) return shown;
  const LoadedEntry entry = seen.entry->fields();
  shown.there = true;
  shown.type = entry.type;
  shown.with_value = with_value && shown.type == ValueType::kString;
  if (shown.with_value) shown.value = entry.value;
  shown.version = seen.unnumbered ? 0 : entry.version;
  shown.create_version = seen.unnumbered ? seen.create_version : entry.create_version;
  shown.expire_at = seen.expire_at();
  shown.size_bytes = seen.entry->block_bytes() + kSlotShareBytes;
  return shown;
}

absl::Status wrong_type() { return error(Reason::kWrongType, "the key holds a structure, not a plain value"); }

absl::Status entry_too_large(std::size_t bytes, std::size_t bytes_max) {
  return error(Reason::kEntryTooLarge,
               fmt::format("key and value would have {} bytes together, the limit is {}", bytes, bytes_max),
               {{"limit", std::to_string(bytes_max)}});
}

// A clock of whole milliseconds is up to one behind: without it a life would be shorter than it was asked for.
constexpr UnixMillis kClockStep = 1;

// Absolute, or kNoExpiry. `unset` is what a policy that says nothing means here.
UnixMillis resolve(const ExpiryPolicy& policy, Kind unset, UnixMillis now, const SeenKey& seen) noexcept {
  switch (policy.kind == Kind::kUnset ? unset : policy.kind) {
    case Kind::kTtl:
      return now + policy.millis + kClockStep;
    case Kind::kAt:
      return policy.millis;
    case Kind::kKeep:
      return seen.entry == nullptr ? kNoExpiry : seen.expire_at();
    case Kind::kNever:
    case Kind::kUnset:
      break;
  }
  return kNoExpiry;
}

// A time that has passed: of a policy, because an entry that is seen is not due.
bool passed(const ExpiryPolicy& policy, UnixMillis now) noexcept {
  return policy.kind == Kind::kAt && policy.millis <= now;
}

void change_to(Change change, const Operation& operation, Kind unset, UnixMillis now, const SeenKey& seen,
               Decision& decision) noexcept {
  if (passed(operation.expiry, now)) {
    decision.change = Change::kRemove;
    decision.removed_by_time = true;
    return;
  }
  decision.change = change;
  decision.expire_at = resolve(operation.expiry, unset, now, seen);
}

void decide_get(const Operation& operation, const SeenKey& seen, Outcome& outcome) {
  if (seen.entry == nullptr) return;
  outcome.not_modified =
      operation.if_newer_than != 0 && !seen.unnumbered && seen.entry->version() <= operation.if_newer_than;
  const bool with_value = !operation.omit_value && !outcome.not_modified;
  if (with_value && seen.entry->type() != ValueType::kString) {
    outcome.error = wrong_type();
    return;
  }
  outcome.entry = show(seen, with_value);
}

void decide_set(const Operation& operation, const SeenKey& seen, UnixMillis now, Decision& decision) {
  Outcome& outcome = decision.outcome;
  outcome.applied = holds(operation.precondition, seen);
  if (!outcome.applied || operation.return_previous) outcome.entry = show(seen, true);
  if (!outcome.applied) return;
  outcome.created = seen.entry == nullptr;
  decision.given = operation.value;
  change_to(Change::kPut, operation, Kind::kNever, now, seen, decision);
}

void decide_delete(const Operation& operation, const SeenKey& seen, Decision& decision) {
  Outcome& outcome = decision.outcome;
  const bool allowed = holds(operation.precondition, seen);
  outcome.applied = allowed && seen.entry != nullptr;
  if (!allowed || operation.return_previous) outcome.entry = show(seen, true);
  if (outcome.applied) decision.change = Change::kRemove;
}

// Exactly the text that counting writes: no sign but a minus, no zero in front.
std::optional<std::int64_t> integer_of(std::string_view text) noexcept {
  if (text.size() > kCounterBytesMax) return std::nullopt;  // Before it is read: megabytes of digits are none either.
  const std::string_view digits = text.substr(text.starts_with('-') ? 1 : 0);
  const bool canonical = !digits.empty() && (digits.front() != '0' || text == "0");
  std::int64_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (!canonical || failure != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

absl::Status overflow(std::int64_t from, const CounterStep& step, std::int64_t low, std::int64_t high) {
  return error(Reason::kIncrementOverflow,
               fmt::format("{} and {} leave the range from {} to {}", from, step.delta, low, high),
               {{"value", std::to_string(from)}, {"min", std::to_string(low)}, {"max", std::to_string(high)}});
}

void decide_increment(const Operation& operation, const SeenKey& seen, UnixMillis now, std::size_t entry_bytes_max,
                      Decision& decision) {
  Outcome& outcome = decision.outcome;
  const CounterStep& step = operation.step;
  std::optional<std::int64_t> from = step.initial;
  if (seen.entry != nullptr) {
    if (seen.entry->type() != ValueType::kString) {
      outcome.error = wrong_type();
      return;
    }
    from = integer_of(seen.entry->value());
  }
  if (!from) {
    outcome.error = error(Reason::kNotAnInteger, "the value is not a decimal number of 64 bits");
    return;
  }
  const std::int64_t low = step.min.value_or(std::numeric_limits<std::int64_t>::min());
  const std::int64_t high = step.max.value_or(std::numeric_limits<std::int64_t>::max());
  const __int128 sum = static_cast<__int128>(*from) + step.delta;
  if ((sum < low || sum > high) && !step.saturate) {
    outcome.error = overflow(*from, step, low, high);
    return;
  }
  outcome.counter = static_cast<std::int64_t>(std::clamp<__int128>(sum, low, high));
  decision.made = std::to_string(outcome.counter);
  decision.makes_value = true;
  if (const std::size_t bytes = operation.key.size() + decision.made.size(); bytes > entry_bytes_max) {
    outcome.error = entry_too_large(bytes, entry_bytes_max);
    return;
  }
  outcome.applied = true;
  outcome.created = seen.entry == nullptr;
  change_to(Change::kPut, operation, Kind::kKeep, now, seen, decision);
}

void decide_append(const Operation& operation, const SeenKey& seen, std::size_t entry_bytes_max, Decision& decision) {
  Outcome& outcome = decision.outcome;
  if (seen.entry != nullptr && seen.entry->type() != ValueType::kString) {
    outcome.error = wrong_type();
    return;
  }
  const std::string_view old = seen.entry == nullptr ? std::string_view() : seen.entry->value();
  outcome.length = old.size() + operation.value.size();
  if (const std::size_t bytes = operation.key.size() + outcome.length; bytes > entry_bytes_max) {
    outcome.error = entry_too_large(bytes, entry_bytes_max);
    return;
  }
  decision.made.reserve(outcome.length);
  decision.made.append(old).append(operation.value);
  decision.makes_value = true;
  outcome.applied = true;
  outcome.created = seen.entry == nullptr;
  decision.change = Change::kPut;
  decision.expire_at = seen.entry == nullptr ? kNoExpiry : seen.expire_at();
}

void decide_expiry(const Operation& operation, const SeenKey& seen, UnixMillis now, Decision& decision) {
  Outcome& outcome = decision.outcome;
  outcome.applied = seen.entry != nullptr && holds(operation.precondition, seen);
  outcome.entry = show(seen, false);
  if (!outcome.applied) return;
  change_to(Change::kSetExpiry, operation, Kind::kKeep, now, seen, decision);
  if (decision.change == Change::kRemove) {
    outcome.entry = EntryShown();
  } else {
    // As it will be: the version is the change's own.
    outcome.entry.version = 0;
    outcome.entry.expire_at = decision.expire_at;
  }
}

}  // namespace

bool holds(const Precondition& precondition, const SeenKey& seen) noexcept {
  const Entry* entry = seen.entry;
  switch (precondition.test) {
    case Precondition::Test::kNone:
      return true;
    case Precondition::Test::kExists:
      return (entry != nullptr) == precondition.exists;
    case Precondition::Test::kVersion:
      if (precondition.version == 0) return entry == nullptr;
      return entry != nullptr && !seen.unnumbered && entry->version() == precondition.version;
    case Precondition::Test::kValue:
      return entry != nullptr && entry->type() == ValueType::kString && entry->value() == precondition.value;
    case Precondition::Test::kType:
      return entry != nullptr && entry->type() == precondition.type;
  }
  return false;
}

void decide(const Operation& operation, const SeenKey& seen, UnixMillis now, std::size_t entry_bytes_max,
            Decision& decision) {
  decision.outcome.kind = operation.kind;
  switch (operation.kind) {
    case OperationKind::kGet:
      return decide_get(operation, seen, decision.outcome);
    case OperationKind::kSet:
      return decide_set(operation, seen, now, decision);
    case OperationKind::kDelete:
      return decide_delete(operation, seen, decision);
    case OperationKind::kIncrement:
      return decide_increment(operation, seen, now, entry_bytes_max, decision);
    case OperationKind::kAppend:
      return decide_append(operation, seen, entry_bytes_max, decision);
    case OperationKind::kSetExpiry:
      return decide_expiry(operation, seen, now, decision);
    case OperationKind::kNone:
      break;
  }
  decision.outcome.error = error(Reason::kInternal, "an operation without a kind reached the store");
}

}  // namespace kv
