#include "server/scan_calls.h"

#include <chrono>
#include <memory>
#include <new>
#include <optional>

#include <fmt/format.h>

#include "core/checksum.h"
#include "core/error.h"
#include "rpc/message.h"
#include "server/calling_client.h"
#include "server/entry_message.h"
#include "server/scan_plan.h"

namespace kv {

namespace v1 = kvstore::v1;

namespace {

// A chunk leaves after this time even if it is not full, or empty: its token is worth something.
constexpr std::chrono::milliseconds kChunkPatience{1000};

absl::Status no_memory_for_scan() { return error(Reason::kMemoryLimit, "no memory for a scan"); }

absl::StatusOr<ScanPlan> plan_or_refuse(const v1::ScanRequest& request, std::uint64_t store, const Limits& limits) {
  try {
    return scan_plan_of(request, store, limits);
  } catch (const std::bad_alloc&) {
    return no_memory_for_scan();
  }
}

}  // namespace

// One message, filled by the walk.
class ScanCalls::Chunk {
 public:
  explicit Chunk(const ScanPlan& plan) : plan_(plan) {}

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
  // Completes it, and begins the next one. Without a place nothing is left to be scanned.
  absl::StatusOr<grpc::ByteBuffer> close(Revision revision, std::uint64_t examined, const WalkPlace* place) {
    try {
      return complete(revision, examined, place);
    } catch (const std::bad_alloc&) {
      return no_memory_for_scan();
    }
  }

 private:
  absl::StatusOr<grpc::ByteBuffer> complete(Revision revision, std::uint64_t examined, const WalkPlace* place) {
    message_.set_revision(revision);
    message_.set_examined(examined);
    if (place != nullptr) message_.set_resume_token(write_scan_token(plan_.identity, *place));
    grpc::ByteBuffer bytes;
    const absl::Status fits = serialize(message_, bytes);
    message_.Clear();
    bytes_ = 0;
    if (!fits.ok()) return fits;
    return bytes;
  }

  const ScanPlan& plan_;
  v1::ScanResponse message_;
  std::size_t bytes_ = 0;    // of this chunk
  std::uint64_t taken_ = 0;  // of all chunks
};

void ScanCalls::start_serving(const Storage& storage) { store_ = checksum64(as_bytes(storage.instance_id()), 0); }

Task<absl::Status> ScanCalls::scan(ServerStream& stream, const v1::ScanRequest& request) {
  if (const absl::Status ready = engine_.ready(); !ready.ok()) co_return ready;
  const absl::StatusOr<ScanPlan> plan = plan_or_refuse(request, store_, engine_.limits());
  if (!plan.ok()) co_return plan.status();
  const absl::StatusOr<WalkBound::Place> place = engine_.scan_bound().take();
  if (!place.ok()) co_return place.status();
  std::optional<StoreWalk> walk;
  try {
    walk.emplace(engine_.store(), engine_.clock(), plan->options, plan->from);
  } catch (const std::bad_alloc&) {
    co_return no_memory_for_scan();
  }
  co_await engine_.walks().turn();
  absl::Status ended = co_await walk_and_send(stream, *plan, *walk);
  co_await engine_.walks().let_go(*walk);
  co_await resume_on(stream.home());
  co_return ended;
}

// From the walks' thread, and resumes on it.
Task<absl::Status> ScanCalls::walk_and_send(ServerStream& stream, const ScanPlan& plan, StoreWalk& walk) {
  Revision at = 0;
  if (plan.snapshot) {
    try {
      walk.watch_all();
    } catch (const std::bad_alloc&) {
      co_return no_memory_for_scan();
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
    auto bytes = chunk.close(shown, walk.examined(), *step == StoreWalk::Step::kEnd ? nullptr : &from);
    if (!bytes.ok()) co_return bytes.status();
    co_await resume_on(stream.home());
    const absl::Status sent = co_await send(stream, *bytes, shown);
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
  }
}

Task<absl::Status> ScanCalls::send(ServerStream& stream, grpc::ByteBuffer chunk, Revision shown) {
  stream.holds_answer(chunk.Length());
  if (engine_.must_wait(shown)) {
    const absl::Status readable = co_await engine_.until_readable(shown, stream.home());
    if (!readable.ok()) co_return readable;
  }
  co_return co_await stream.send(chunk);  // A copy of a ByteBuffer shares its bytes.
}

}  // namespace kv
