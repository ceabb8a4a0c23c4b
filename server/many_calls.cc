#include "server/many_calls.h"

#include <algorithm>
#include <new>
#include <numeric>
#include <vector>

#include <fmt/format.h>

#include "core/error.h"
#include "rpc/message.h"
#include "server/calling_client.h"
#include "server/entry_message.h"
#include "server/many_requests.h"
#include "server/range_deleter.h"

namespace kv {

namespace v1 = kvstore::v1;

namespace {

constexpr std::size_t kChunkBytes = 256 << 10;
constexpr int kChunkKeys = 256;           // looked up in one go
constexpr std::size_t kResultBytes = 24;  // of a miss
// Of an answer at one revision, which is held whole before it is sent.
constexpr std::size_t kConsistentBytesMax = 64 << 20;

std::size_t bytes_of(const v1::GetResponse& result) {
  return kResultBytes + (result.has_entry() ? kEntryMessageBytes + result.entry().value().size() : 0);
}

void fill(v1::GetResponse& result, const Entry* entry, bool omit_value) {
  result.clear_entry();
  if (entry == nullptr) return;
  describe(*entry, *result.mutable_entry());
  if (!omit_value) set_value(*entry, *result.mutable_entry());
}

// Whether the entry is the one that the result shows.
bool still_shows(const v1::GetResponse& result, const Entry* entry) {
  if (entry == nullptr || !result.has_entry()) return entry == nullptr && !result.has_entry();
  return entry->version() == result.entry().version();
}

absl::Status no_memory_for_answer() { return error(Reason::kMemoryLimit, "no memory for the answer"); }

absl::StatusOr<WantedKeys> read_or_refuse(const Limits& limits, const WireMessage& request) {
  try {
    return read_multi_get(limits, request.bytes());
  } catch (const std::bad_alloc&) {
    return no_memory_for_answer();
  }
}

absl::Status too_large() {
  return error(Reason::kResponseTooLarge,
               fmt::format("the values of one revision have more than {} bytes; ask for fewer keys, or scan them",
                           kConsistentBytesMax),
               {{"limit", std::to_string(kConsistentBytesMax)}});
}

}  // namespace

// ---- MultiGet ---------------------------------------------------------------------------------------------------

Task<absl::Status> ManyCalls::multi_get(ServerStream& stream, const WireMessage& request) {
  if (const absl::Status ready = engine_.ready(); !ready.ok()) co_return ready;
  const absl::StatusOr<WantedKeys> wanted = read_or_refuse(engine_.limits(), request);
  if (!wanted.ok()) co_return wanted.status();
  stream.holds_answer(wanted->memory_bytes());
  if (wanted->consistent) co_return co_await get_at_once(stream, *wanted);
  co_return co_await get_in_chunks(stream, *wanted);
}

Task<absl::Status> ManyCalls::get_in_chunks(ServerStream& stream, const WantedKeys& wanted) {
  std::size_t next = 0;
  while (next < wanted.keys.size()) {
    v1::MultiGetResponse chunk;
    chunk.set_first_index(static_cast<std::uint32_t>(next));
    const Revision seen_before = engine_.visible();
    Revision shown = 0;
    std::size_t bytes = 0;
    try {
      while (next < wanted.keys.size() && chunk.results_size() < kChunkKeys && bytes < kChunkBytes) {
        v1::GetResponse& result = *chunk.add_results();
        const Revision at = engine_.read(HashedKey(wanted.keys[next]),
                                         [&](const Entry* entry) { fill(result, entry, wanted.omit_values); });
        // One too many, and it does not fit: it comes first in the next chunk.
        if (bytes != 0 && bytes + bytes_of(result) > kChunkBytes) {
          chunk.mutable_results()->RemoveLast();
          break;
        }
        // Of its own moment: what was changed between this look and a later one is not in it.
        result.set_revision(std::max(at, seen_before));
        shown = std::max(shown, at);
        bytes += bytes_of(result);
        ++next;
      }
    } catch (const std::bad_alloc&) {
      co_return no_memory_for_answer();
    }
    chunk.set_revision(seen_before);  // the only one that is true of all
    const absl::Status sent = co_await send(stream, chunk, shown);
    if (!sent.ok()) co_return sent;
    if (const absl::Status ready = engine_.ready(); !ready.ok()) co_return ready;
    // By way of another thread: so this one looks at its sockets in between.
    co_await engine_.walks().turn();
    co_await resume_on(stream.home());
  }
  co_return absl::OkStatus();
}

Task<absl::Status> ManyCalls::get_at_once(ServerStream& stream, const WantedKeys& wanted) {
  std::vector<v1::GetResponse> results;
  Revision revision = 0;
  try {
    // 1. Each by itself.
    std::vector<HashedKey> keys(wanted.keys.begin(), wanted.keys.end());
    std::vector<std::size_t> shards;
    std::size_t bytes = 0;
    for (const HashedKey& key : keys) {
      v1::GetResponse& result = results.emplace_back();
      engine_.read(key, [&](const Entry* entry) { fill(result, entry, wanted.omit_values); });
      shards.push_back(engine_.store().shard_of(key));
      bytes += bytes_of(result);
      if (bytes > kConsistentBytesMax) co_return too_large();
    }
    // 2. All shards, each once and in the order of everybody else. Nothing changes from here on.
    std::sort(shards.begin(), shards.end());
    shards.erase(std::unique(shards.begin(), shards.end()), shards.end());
    std::vector<ReadLock> locks;
    locks.reserve(shards.size());
    for (const std::size_t shard : shards) locks.push_back(engine_.store().read_shard(shard));
    const UnixMillis now = engine_.clock().now();
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const auto shard = std::lower_bound(shards.begin(), shards.end(), engine_.store().shard_of(keys[i]));
      const Entry* entry = locks[static_cast<std::size_t>(shard - shards.begin())].find(keys[i], now);
      if (still_shows(results[i], entry)) continue;
      bytes -= bytes_of(results[i]);
      fill(results[i], entry, wanted.omit_values);
      bytes += bytes_of(results[i]);
      if (bytes > kConsistentBytesMax) co_return too_large();
    }
    revision = engine_.applied();
  } catch (const std::bad_alloc&) {
    co_return no_memory_for_answer();
  }
  // 3. In chunks. All of it is held until the last one has left.
  stream.holds_answer(std::accumulate(results.begin(), results.end(), wanted.memory_bytes(),
                                      [](std::size_t sum, const auto& result) { return sum + bytes_of(result); }));
  std::size_t next = 0;
  while (next < results.size()) {
    v1::MultiGetResponse chunk;
    chunk.set_first_index(static_cast<std::uint32_t>(next));
    chunk.set_revision(revision);
    for (std::size_t bytes = 0;
         next < results.size() && (bytes == 0 || bytes + bytes_of(results[next]) <= kChunkBytes);) {
      bytes += bytes_of(results[next]);
      results[next].set_revision(revision);
      *chunk.add_results() = std::move(results[next++]);
    }
    const absl::Status sent = co_await send(stream, chunk, revision);
    if (!sent.ok()) co_return sent;
  }
  co_return absl::OkStatus();
}

Task<absl::Status> ManyCalls::send(ServerStream& stream, const v1::MultiGetResponse& chunk, Revision shown) {
  if (engine_.must_wait(shown)) {
    const absl::Status readable = co_await engine_.until_readable(shown, stream.home());
    if (!readable.ok()) co_return readable;
  }
  co_return co_await stream.send(chunk);
}

// ---- DeleteRange ------------------------------------------------------------------------------------------------

Answer<v1::DeleteRangeResponse> ManyCalls::delete_range(Call& call, const v1::DeleteRangeRequest& request) {
  using Result = absl::StatusOr<v1::DeleteRangeResponse>;
  if (const absl::Status ready = engine_.ready(); !ready.ok()) return Result(ready);
  absl::StatusOr<RangeDeletion> deletion = range_deletion_of(request);
  if (!deletion.ok()) return Result(deletion.status());
  return delete_and_wait(call, *std::move(deletion));
}

Task<absl::StatusOr<v1::DeleteRangeResponse>> ManyCalls::delete_and_wait(Call& call, RangeDeletion deletion) {
  CallingClient client(call);
  RangeDeleter deleter(engine_, deletion, client);
  const absl::StatusOr<RangeDeleted> deleted = co_await deleter.run();
  if (!deleted.ok()) co_return deleted.status();
  v1::DeleteRangeResponse response;
  response.set_deleted(deleted->keys);
  if (!deletion.dry_run) {
    response.mutable_write()->set_revision(deleted->revision);
    response.mutable_write()->set_durability(static_cast<v1::Durability>(static_cast<int>(deleted->level)));
    response.mutable_write()->set_replayed(deleted->replayed);
  }
  co_return response;
}

}  // namespace kv
