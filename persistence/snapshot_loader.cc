#include "persistence/snapshot_loader.h"

#include <algorithm>
#include <atomic>
#include <limits>
#include <mutex>
#include <span>
#include <system_error>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "core/error.h"
#include "persistence/snapshot_entry.h"
#include "persistence/snapshot_places.h"

namespace kv {

using namespace snapshot_format;

namespace {

// The part of a footer that is a sum over all blocks; the digest of the state is summed by whoever has the entries.
struct Sums {
  std::uint64_t entries = 0;
  std::uint64_t data_bytes = 0;
  std::uint64_t request_ids = 0;

  void add(const Sums& other) noexcept {
    entries += other.entries;
    data_bytes += other.data_bytes;
    request_ids += other.request_ids;
  }
  void add(const EntryRecord& entry) noexcept {
    ++entries;
    data_bytes += entry.key.size() + entry.value.size();
  }
  bool are_those_of(const Footer& footer) const noexcept {
    return entries == footer.entries && data_bytes == footer.data_bytes && request_ids == footer.request_ids;
  }
};

std::string_view problem_of(const EntryRecord& entry, Revision cut) noexcept {
  const bool known_type = entry.type >= static_cast<std::uint8_t>(ValueType::kString) &&
                          entry.type <= static_cast<std::uint8_t>(ValueType::kSortedSet);
  if (!known_type) return "entry of an unknown type";
  if (entry.version > cut || entry.create_version > entry.version) return "entry version";
  return {};
}

std::string_view problem_of(const RequestIdRecord& record, Revision cut) noexcept {
  if ((record.flags & ~(kRequestIdApplied | kRequestIdCreated)) != 0) return "request id flags";
  return record.revision > cut ? "request id revision" : std::string_view();
}

// The request ids of all blocks, put into the store by their age, however threads and blocks came.
class RequestIds {
 public:
  // `count`: how many are promised; memory for so many is taken.
  RequestIds(Revision cut, std::uint64_t count) : cut_(cut) { found_.reserve(count); }

  void add(std::span<const RequestIdRecord> records) {
    const std::lock_guard lock(mutex_);
    for (const RequestIdRecord& record : records) found_.push_back(fields_of(record, cut_));
  }
  void restore(Store& store) {
    std::sort(found_.begin(), found_.end(), [](const RememberedRequest& a, const RememberedRequest& b) {
      return std::tie(a.time, a.revision, a.block.id) < std::tie(b.time, b.revision, b.block.id);
    });
    RequestWindow& window = store.requests();
    window.reserve(found_.size());
    for (std::size_t i = 0; i < found_.size(); ++i) {
      if (i + kAhead < found_.size()) window.prefetch(found_[i + kAhead].block.id);
      window.restore(found_[i]);
    }
  }

 private:
  static constexpr std::size_t kAhead = 8;  // ids whose memory comes while others are put in

  const Revision cut_;
  std::mutex mutex_;
  std::vector<RememberedRequest> found_;  // guarded by mutex_
};

// One pass over all blocks by several threads; `visit` gets each block with its proved payload. Of several damaged
// blocks the first one in the file is reported, however threads ran: the next start must find the same, or a consent to
// the loss would not be for what is found then.
class Pass {
 public:
  using Visit = std::function<absl::Status(const SnapshotBlock&, Bytes)>;

  Pass(const SnapshotFile& file, const SnapshotLoadOptions& options, Visit visit)
      : file_(file),
        options_(options),
        visit_(std::move(visit)),
        threads_(std::clamp<std::size_t>(file.blocks().size(), 1, std::max(1U, options.threads))),
        places_(file.blocks().size(), threads_) {}

  absl::Status run() {
    std::vector<std::thread> helpers;
    helpers.reserve(threads_);
    try {
      while (helpers.size() + 1 < threads_) helpers.emplace_back([this, place = helpers.size()] { work(place); });
    } catch (const std::system_error&) {
      // No more threads to be had: those that run, and this one, do the work.
    }
    work(threads_ - 1);
    for (std::thread& helper : helpers) helper.join();
    return status_;
  }

 private:
  void work(std::size_t place) noexcept {
    try {
      std::vector<std::byte> buffer;
      for (auto index = places_.take(place); index; index = places_.take(place)) {
        if (*index >= failed_at_) continue;
        const SnapshotBlock& block = file_.blocks()[*index];
        const absl::StatusOr<Bytes> payload = file_.read_block(block, buffer);
        const absl::Status visited = payload.ok() ? visit_(block, *payload) : payload.status();
        if (!visited.ok()) {
          fail(*index, visited);
        } else if (options_.progress) {
          options_.progress(kBlockHeaderBytes + block.header.stored_bytes);
        }
      }
    } catch (const std::bad_alloc&) {
      fail(0, error(Reason::kMemoryLimit, "not enough memory to load the snapshot"));
    }
  }
  // What lies before `index` is still looked at.
  void fail(std::size_t index, absl::Status status) {
    std::lock_guard lock(mutex_);
    if (index >= failed_at_) return;
    status_ = std::move(status);
    failed_at_ = index;
  }

  const SnapshotFile& file_;
  const SnapshotLoadOptions& options_;
  const Visit visit_;
  const std::size_t threads_;  // this one and the helpers that are wanted
  SnapshotPlaces places_;
  std::atomic<std::size_t> failed_at_ = std::numeric_limits<std::size_t>::max();  // a block
  std::mutex mutex_;
  absl::Status status_;  // guarded by mutex_
};

// Decodes a block whole: no byte may be left over, and no entry missing.
template <class OnEntry, class OnRequestId>
absl::Status decode_block(const SnapshotFile& file, const SnapshotBlock& block, Bytes payload, const OnEntry& on_entry,
                          const OnRequestId& on_request_id) {
  ByteReader reader(payload);
  std::string_view why;
  for (std::uint32_t i = 0; i < block.header.count; ++i) {
    const std::uint64_t offset = block.offset + kBlockHeaderBytes + reader.used();
    if (block.header.kind == BlockKind::kEntries) {
      EntryRecord entry;
      if (!decode(reader, entry, why)) return file.damaged(why, offset);
      why = problem_of(entry, file.info().cut());
      if (!why.empty()) return file.damaged(why, offset);
      on_entry(entry);
    } else {
      RequestIdRecord record;
      if (!decode(reader, record, why)) return file.damaged(why, offset);
      why = problem_of(record, file.info().cut());
      if (!why.empty()) return file.damaged(why, offset);
      on_request_id(record);
    }
  }
  if (reader.left() != 0) return file.damaged("bytes behind the last entry of a block", block.offset);
  return absl::OkStatus();
}

absl::Status not_in_footer(const SnapshotFile& file, std::string_view what) {
  return file.damaged(what, file.info().footer.file_bytes - kFooterBytes);
}

// All blocks by several threads, and what they add up to beside the footer. OnEntry, OnRequestIds: called from all of
// them; the latter with those of a block.
template <class OnEntry, class OnRequestIds>
absl::Status read_all(const SnapshotFile& file, const SnapshotLoadOptions& options, const OnEntry& on_entry,
                      const OnRequestIds& on_request_ids) {
  std::mutex mutex;
  Sums total;
  Pass pass(file, options, [&](const SnapshotBlock& block, Bytes payload) {
    Sums sums;
    std::vector<RequestIdRecord> ids;
    absl::Status decoded = decode_block(
        file, block, payload,
        [&](const EntryRecord& entry) {
          sums.add(entry);
          on_entry(entry);
        },
        [&](const RequestIdRecord& record) {
          ++sums.request_ids;
          ids.push_back(record);
        });
    if (!ids.empty()) on_request_ids(ids);
    std::lock_guard lock(mutex);
    total.add(sums);
    return decoded;
  });
  absl::Status passed = pass.run();
  if (!passed.ok()) return passed;
  return total.are_those_of(file.info().footer) ? passed : not_in_footer(file, "totals in the footer");
}

absl::Status fill(const SnapshotFile& file, Store& store, const SnapshotLoadOptions& options) {
  // No believing a footer that claims more entries than there are bytes for.
  const Footer& footer = file.info().footer;
  store.reserve(std::min(footer.entries, footer.file_bytes / kEntryHeaderBytes));
  RequestIds request_ids(file.info().cut(), std::min(footer.request_ids, footer.file_bytes / sizeof(RequestId)));
  absl::Status read = read_all(
      file, options, [&](const EntryRecord& entry) { store.load(fields_of(entry)); },
      [&](std::span<const RequestIdRecord> records) { request_ids.add(records); });
  if (!read.ok()) return read;

  // A key that the file holds twice has passed every checksum so far.
  const StoreTotals totals = store.totals();
  if (totals.keys != footer.entries || totals.digest != footer.state_digest) {
    return not_in_footer(file, "the loaded state is not the one in the footer");
  }
  request_ids.restore(store);
  return read;
}

}  // namespace

absl::StatusOr<SnapshotInfo> load_snapshot(FileSystem& fs, const std::string& path, const SnapshotExpected& expected,
                                           Store& store, const SnapshotLoadOptions& options) {
  const absl::StatusOr<SnapshotFile> file = SnapshotFile::open(fs, path, expected);
  if (!file.ok()) return file.status();
  absl::Status filled;
  try {
    filled = fill(*file, store, options);
  } catch (const std::bad_alloc&) {
    filled = error(Reason::kMemoryLimit, "not enough memory for what the snapshot holds");
  }
  if (filled.ok()) return file->info();
  store.clear();
  return filled;
}

}  // namespace kv
