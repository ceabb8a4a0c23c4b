// A segment of the log read by its page, docs/formats/aof.md, independently of the server's reader.
//
// Header first, then step by step: each step is a batch header or a record that is right, or the reason why there is
// none. What that reason means (torn tail or damage) is for log_chain.h.
//
// Threads: one. Lifetime: a record's views are good until the next step.
// Errors:  damage() for what proves itself by a right checksum or must be right; the disk's errors otherwise.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "core/file_system.h"
#include "persistence/format/log_format.h"
#include "tools/file_view.h"
#include "tools/record_page.h"

namespace kv::tools {

struct SegmentHead {
  std::uint32_t version = 0;
  StoreId store_id{};
  std::uint64_t number = 0;
  std::uint64_t seed = 0;  // of every checksum behind the identity
  UnixMillis prepared = 0;
  // The start block; nothing when its checksum is not right, and `start_blank` says whether it is all zeros.
  std::optional<StartBlock> start;
  bool start_blank = false;
};

// The identity proved; whose it is and which number is the caller's to compare.
absl::StatusOr<SegmentHead> read_segment_head(FileView& file);

struct BatchFacts {
  std::uint64_t offset = 0;
  BatchHeader header;
};

// A batch header with a right checksum at `offset`. Damage when its fields cannot be.
absl::StatusOr<std::optional<BatchFacts>> read_batch_header(FileView& file, std::uint64_t seed, std::uint64_t offset);
// The next such header at or behind `from`, at a multiple of 8. Fields are not judged.
absl::StatusOr<std::optional<BatchFacts>> find_batch(FileView& file, std::uint64_t seed, std::uint64_t from);
// Behind the last byte that is not zero at or behind `from`; `from` when there is none.
absl::StatusOr<std::uint64_t> end_of_bytes(FileView& file, std::uint64_t from);

class SegmentWalk {
 public:
  enum class Step {
    kBatch,   // batch() is new
    kRecord,  // record() is new
    kEnd,     // position() is the limit: all good up to there
    kBad,     // position() is the first place that does not decode, why() says what is wrong there
  };
  // From `start`, a batch header's place, up to `limit` (a used size) or the end of the file. `last` is the revision
  // before; without it the first batch is believed.
  SegmentWalk(FileView& file, std::uint64_t seed, std::uint64_t start, std::optional<std::uint64_t> limit,
              std::optional<Revision> last);

  absl::StatusOr<Step> next();

  const BatchFacts& batch() const noexcept { return batch_; }
  const RecordFacts& record() const noexcept { return record_; }
  std::uint64_t position() const noexcept { return position_; }
  std::string_view why() const noexcept { return why_; }
  std::optional<Revision> last_revision() const noexcept { return last_; }
  Revision watermark() const noexcept { return watermark_; }
  UnixMillis clock() const noexcept { return clock_; }
  // Of all bytes before position(), when the walk began right behind the header.
  Digest128 digest() const noexcept { return digest_.value(); }
  void digest_header(Bytes header) noexcept { digest_.update(header); }

 private:
  absl::StatusOr<Step> step_batch();
  absl::StatusOr<Step> step_record();
  absl::StatusOr<bool> step_padding();
  Step bad(std::string_view why) noexcept;
  void accept(Bytes bytes) noexcept;

  FileView& file_;
  const std::uint64_t seed_;
  const std::uint64_t limit_;
  const bool ends_at_limit_;  // the limit lies inside of the file: reaching it is an end, and no accident
  std::uint64_t position_;
  std::optional<Revision> last_;
  Revision watermark_ = 0;
  UnixMillis clock_ = 0;
  DigestStream digest_;
  BatchFacts batch_;
  std::uint32_t records_left_ = 0;
  std::uint64_t payload_end_ = 0;
  bool in_batch_ = false;
  RecordFacts record_;
  std::string_view why_;
};

}  // namespace kv::tools
