#include "server/scan_calls.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <new>

#include <fmt/format.h>

#include "core/checksum.h"
#include "core/error.h"
#include "rpc/overload.h"
#include "server/calling_client.h"
#include "server/entry_message.h"
#include "server/key_pattern.h"
#include "server/range_request.h"
#include "server/unknown_fields.h"

namespace kv {

namespace v1 = kvstore::v1;

namespace {

constexpr std::size_t kChunkBytes = 256 << 10;  // when the caller says nothing
// A client takes messages up to 4 MiB by default. An entry is smaller by 4 KiB, so one always fits.
constexpr std::size_t kChunkBytesMax = (4 << 20) - (1 << 10);
// A chunk leaves after this time even if it is not full, or empty: its token is worth something.
constexpr std::chrono::milliseconds kChunkPatience{1000};

absl::Status refuse_field(std::string_view field, std::string_view why) {
  return error(Reason::kFieldInvalid, fmt::format("{} {}", field, why), {{"field", std::string(field)}});
}

std::uint64_t hash_of(const v1::ScanRequest& request) {
  v1::ScanRequest selection;  // what decides which keys the scan shows
  *selection.mutable_range() = request.range();
  selection.set_glob(request.glob());
  selection.set_type(request.type());
  return checksum64(as_bytes(selection.SerializeAsString()), 0);
}

}  // namespace

struct ScanCalls::Plan {
  ScanIdentity identity;
  WalkOptions options;
  WalkPlace from;
  bool snapshot = true;
  bool values = false;
  std::uint64_t limit = 0;  // 0: none
  std::size_t chunk_bytes = kChunkBytes;
};

// One message, filled by the walk.
class ScanCalls::Chunk {
 public:
  explicit Chunk(const Plan& plan) : plan_(plan) {}

  // Under the shard's lock. False: it belongs into the next chunk, or into none.
  bool take(const Entry& entry) {
    if (limit_reached()) return false;
    const std::size_t bytes = kEntryMessageBytes + entry.key().size() + (plan_.values ? entry.value().size() : 0);
    if (bytes_ != 0 && bytes_ + bytes > plan_.chunk_bytes) return false;
    v1::Entry& shown = *message_.add_entries();
    shown.set_key(std::string(entry.key()));
    describe(entry, shown);
    if (plan_.values) set_value(entry, shown);
    bytes_ += bytes;
    ++taken_;
    return true;
  }
  bool limit_reached() const noexcept { return plan_.limit != 0 && taken_ == plan_.limit; }
  // Completes it. Without a place nothing is left to be scanned.
  void close(Revision revision, std::uint64_t examined, const WalkPlace* place) {
    message_.set_revision(revision);
    message_.set_examined(examined);
    if (place != nullptr) message_.set_resume_token(write_scan_token(plan_.identity, *place));
  }
  std::size_t bytes() const noexcept { return bytes_; }
  const v1::ScanResponse& message() const noexcept { return message_; }
  void begin_next() {
    message_.Clear();
    bytes_ = 0;
  }

 private:
  const Plan& plan_;
  v1::ScanResponse message_;
  std::size_t bytes_ = 0;    // of this chunk
  std::uint64_t taken_ = 0;  // of all chunks
};

void ScanCalls::start_serving(const Storage& storage) { store_ = checksum64(as_bytes(storage.instance_id()), 0); }

absl::StatusOr<ScanCalls::Plan> ScanCalls::plan_of(const v1::ScanRequest& request) const {
  if (const absl::Status ready = engine_.ready(); !ready.ok()) return ready;
  if (const absl::Status known = refuse_unknown_fields(request); !known.ok()) return known;
  Plan plan;
  if (!v1::ScanConsistency_IsValid(request.consistency())) return refuse_field("consistency", "is unknown");
  if (!v1::ValueType_IsValid(request.type())) return refuse_field("type", "is unknown");
  if (request.ordered()) return error(Reason::kIndexDisabled, "there is no index in the order of keys");
  plan.snapshot = request.consistency() != v1::SCAN_CONSISTENCY_RELAXED;
  plan.values = request.include_values();
  plan.limit = request.limit();
  if (request.max_chunk_bytes() != 0)
    plan.chunk_bytes = std::min<std::size_t>(request.max_chunk_bytes(), kChunkBytesMax);
  plan.options.budget_bytes = engine_.limits().scan_budget_bytes;
  absl::StatusOr<KeyRange> range = key_range_of(request.range());
  if (!range.ok()) return range.status();
  plan.options.range = *std::move(range);
  std::shared_ptr<const KeyPattern> pattern;
  if (!request.glob().empty()) {
    absl::StatusOr<KeyPattern> compiled = KeyPattern::compile(request.glob());
    if (!compiled.ok()) return compiled.status();
    pattern = std::make_shared<const KeyPattern>(*std::move(compiled));
  }
  const auto type = static_cast<ValueType>(request.type());
  if (pattern != nullptr || request.type() != v1::VALUE_TYPE_UNSPECIFIED) {
    plan.options.matches = [pattern, type, any = request.type() == v1::VALUE_TYPE_UNSPECIFIED](const Entry& entry) {
      return (any || entry.type() == type) && (pattern == nullptr || pattern->matches(entry.key()));
    };
  }
  plan.identity = {store_, hash_of(request)};
  if (request.resume_token().empty()) return plan;
  const absl::StatusOr<WalkPlace> from = read_scan_token(plan.identity, request.resume_token());
  if (!from.ok()) return from.status();
  plan.from = *from;
  return plan;
}

Task<absl::Status> ScanCalls::scan(ServerStream& stream, const v1::ScanRequest& request) {
  const absl::StatusOr<Plan> plan = plan_of(request);
  if (!plan.ok()) co_return plan.status();
  const unsigned most = engine_.limits().scans_max;
  absl::Status ended;
  if (scans_.fetch_add(1) < most) {
    StoreWalk walk(engine_.store(), engine_.clock(), plan->options, plan->from);
    co_await engine_.walks().turn();
    ended = co_await walk_and_send(stream, *plan, walk);
    co_await engine_.walks().let_go(walk);
    co_await resume_on(stream.home());
  } else {
    ended = overloaded(fmt::format("{} scans are under way already", most), most, kWalksPass);
  }
  scans_.fetch_sub(1);
  co_return ended;
}

// From the walks' thread, and resumes on it.
Task<absl::Status> ScanCalls::walk_and_send(ServerStream& stream, const Plan& plan, StoreWalk& walk) {
  Revision at = 0;
  if (plan.snapshot) {
    try {
      walk.watch_all();
    } catch (const std::bad_alloc&) {
      co_return error(Reason::kMemoryLimit, "no memory for a scan");
    }
    at = engine_.applied();
    walk.fix(at);
  }
  CallingClient client(stream);
  Chunk chunk(plan);
  const StoreWalk::Show show = [&chunk](const Entry& entry) { return chunk.take(entry); };
  while (true) {
    const auto step = co_await engine_.walks().walk_on(walk, show, client, kChunkPatience);
    if (!step.ok()) co_return step.status();
    // Nothing that a relaxed walk has shown so far is newer than what is applied now.
    const Revision shown = plan.snapshot ? at : engine_.applied();
    const WalkPlace from = walk.from();
    chunk.close(shown, walk.examined(), *step == StoreWalk::Step::kEnd ? nullptr : &from);
    co_await resume_on(stream.home());
    const absl::Status sent = co_await send(stream, chunk, shown);
    co_await engine_.walks().turn();
    if (!sent.ok()) co_return sent;
    if (*step == StoreWalk::Step::kEnd || chunk.limit_reached()) co_return absl::OkStatus();
    if (*step == StoreWalk::Step::kSpent) {
      co_return error(Reason::kScanExpired,
                      fmt::format("writers replaced more than {} bytes behind the scan of revision {}; the last token "
                                  "goes on at a newer revision",
                                  plan.options.budget_bytes, at),
                      {{"revision", std::to_string(at)}, {"limit", std::to_string(plan.options.budget_bytes)}});
    }
    if (const absl::Status ready = engine_.ready(); !ready.ok()) co_return ready;
    chunk.begin_next();
  }
}

Task<absl::Status> ScanCalls::send(ServerStream& stream, Chunk& chunk, Revision shown) {
  stream.holds_answer(chunk.bytes());
  if (engine_.must_wait(shown)) {
    const absl::Status readable = co_await engine_.until_readable(shown, stream.home());
    if (!readable.ok()) co_return readable;
  }
  co_return co_await stream.send(chunk.message());
}

}  // namespace kv
