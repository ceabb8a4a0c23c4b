#include "tools/state.h"

#include <utility>

#include "persistence/format/log_format.h"
#include "store/digest.h"

namespace kv::tools {

std::uint64_t digest_of(std::string_view key, const KeyState& facts) noexcept {
  return entry_digest({.key_hash = content_hash(key),
                       .value_hash = facts.value_hash,
                       .type = facts.type,
                       .version = facts.version,
                       .create_version = facts.create_version,
                       .expire_at = facts.expire_at});
}

void State::set_value(KeyState& facts, std::string_view value) const {
  facts.value_hash = content_hash(value);
  if (keep_) facts.value = value;
}

bool State::load(std::string_view key, KeyState facts, std::string_view value) {
  set_value(facts, value);
  return keys_.try_emplace(std::string(key), std::move(facts)).second;
}

void State::merge(std::string_view key, KeyState facts, std::string_view value) {
  KeyState& known = keys_[std::string(key)];
  if (known.version > facts.version) return;
  set_value(facts, value);
  known = std::move(facts);
}

void State::apply(const Mutation& mutation, Revision revision) {
  const auto found = keys_.find(std::string(mutation.key));
  const bool there = found != keys_.end();
  if (there && found->second.version > revision) return;
  switch (mutation.kind) {
    case MutationKind::kSet: {
      KeyState& facts = there ? found->second : keys_[std::string(mutation.key)];
      if (!there) facts.create_version = revision;
      facts.type = mutation.type;
      facts.version = revision;
      facts.expire_at = mutation.expire_at;
      return set_value(facts, mutation.value);
    }
    case MutationKind::kSetExpiry:
      if (!there) return;
      found->second.version = revision;
      found->second.expire_at = mutation.expire_at;
      return;
    case MutationKind::kDelete:
    case MutationKind::kExpire:
    case MutationKind::kEvict:
      if (there) keys_.erase(found);
      return;
  }
}

void State::remember(const snapshot_format::RequestIdRecord& request) {
  const auto [known, added] = requests_.try_emplace(request.id, request);
  if (!added && known->second.time <= request.time) known->second = request;
}

// As the server's snapshot would hold it: the time is the batch's, and what changed nothing has no revision.
void State::remember(const RecordFacts& record) {
  if (!record.request) return;
  const RequestFacts& request = *record.request;
  const bool applied = (request.flags & kRequestApplied) != 0;
  remember({.id = request.id,
            .request_hash = request.hash,
            .revision = applied ? record.revision : 0,
            .added = request.added,
            .value = request.value,
            .time = record.clock,
            .flags = static_cast<std::uint8_t>(request.flags)});
}

std::uint64_t State::digest() const noexcept {
  std::uint64_t sum = 0;
  for (const auto& [key, facts] : keys_) sum += digest_of(key, facts);
  return sum;
}

}  // namespace kv::tools
