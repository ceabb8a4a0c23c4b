// Reads one log segment from its header on, believing nothing: identity, start block, batches, records.
//
// Threads: one. Lifetime: what a visitor sees is gone when it returns.
// Memory:  as long as nothing but the header was read a page, then a MiB, or a record where that is larger; and one
//          open file.
// Errors:  a Status is the disk's error, or damage that is certain (Reason::kChecksum with the facts "file" and
//          "offset"): an identity that is not right, a revision or watermark that contradicts what went before. A place
//          that merely does not decode is no error here: the caller judges it, see log_replay.h.
// Source:  docs/formats/aof.md.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/file_system.h"
#include "persistence/log_position.h"
#include "persistence/log_record.h"

namespace kv {

// Damage that proves itself: file and offset in the text and as facts.
[[gnu::cold]] absl::Status log_corruption(const std::string& file, std::uint64_t offset, std::string_view what);

class SegmentReader {
 public:
  enum class After { kGoOn, kStop };
  // `encoded` is the whole record as it lies in the file.
  using Visitor = std::function<After(const LogRecord& record, Bytes encoded)>;

  enum class Stop {
    kUsed,     // everything up to `used` is good
    kVisitor,  // the visitor wanted no more; end() is after that record
    kBad,      // end().used is the first place that is not good, the end of the file included
  };

  // The identity must be right: a segment that MANIFEST names was synced with it.
  static absl::StatusOr<std::unique_ptr<SegmentReader>> open(FileSystem& fs, const std::string& directory,
                                                             const StoreId& store_id, std::uint64_t number);

  bool started() const noexcept { return started_; }
  const StartBlock& start_block() const noexcept { return start_; }
  std::uint64_t number() const noexcept { return identity_.number; }
  const std::string& path() const noexcept { return file_->path(); }

  // Once, of a started segment. With `used` it goes no further than that.
  absl::StatusOr<Stop> read(std::optional<std::uint64_t> used, const Visitor& visit);

  // What read() found good: everything before end().used.
  SegmentEnd end() const noexcept;
  Revision watermark() const noexcept { return watermark_; }
  UnixMillis clock() const noexcept { return clock_; }

  // Looks for good batch headers at or behind `from`, whatever lies between.
  struct Scan {
    Revision watermark = 0;              // the highest found
    std::uint64_t watermark_offset = 0;  // and where
    std::uint64_t bytes_used = 0;        // behind the last byte that is not zero; `from` if all are
  };
  absl::StatusOr<Scan> scan(std::uint64_t from);
  // Prepared, and not a byte was written since. One that is neither started nor unused has lost its start block.
  absl::StatusOr<bool> unused();

 private:
  explicit SegmentReader(std::unique_ptr<File> file) noexcept : file_(std::move(file)) {}

  absl::Status load_header(const StoreId& store_id, std::uint64_t number);
  absl::StatusOr<Bytes> view(std::uint64_t offset, std::uint64_t bytes);
  absl::Status fill_window(std::uint64_t offset, std::uint64_t bytes);
  absl::StatusOr<std::optional<Stop>> read_batch(const Visitor& visit);
  absl::StatusOr<std::optional<Stop>> read_record(std::uint64_t batch_end, const BatchHeader& batch,
                                                  const Visitor& visit);
  absl::Status scan_page(std::uint64_t from, std::uint64_t begin, std::uint64_t end, Scan& found);
  void accept(Bytes bytes) noexcept;

  const std::unique_ptr<File> file_;
  std::uint64_t file_bytes_ = 0;
  SegmentIdentity identity_;
  StartBlock start_;
  bool started_ = false;
  std::uint64_t seed_ = 0;

  // A piece of the file.
  std::vector<std::byte> window_;
  std::uint64_t window_offset_ = 0;
  std::uint64_t window_bytes_ = 0;
  std::uint64_t window_bytes_max_ = 4096;  // of the header; then a MiB, until the disk refuses to read

  std::uint64_t limit_ = 0;  // read() goes no further
  bool limit_is_used_ = false;
  std::uint64_t position_ = kSegmentHeaderBytes;
  Revision last_revision_ = 0;
  Revision watermark_ = 0;
  UnixMillis clock_ = 0;
  DigestStream digest_;
  std::vector<Mutation> mutations_;
};

}  // namespace kv
