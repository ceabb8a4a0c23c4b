// One segment file being filled: header, then batches one after the other, with a running digest.
//
// Threads:  one at a time for everything that writes; file() may be synced by another thread meanwhile.
// Errors:   a batch that was not written whole may be written again: same bytes, same place.
// Units:    bytes. capacity: batches end before it, unless a batch is the segment's first and one record alone is
// larger. Source:   docs/formats/aof.md.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/file_system.h"
#include "persistence/format/log_format.h"
#include "persistence/log_position.h"

namespace kv {

// What failed so is repeated until it succeeds: the disk is full, or not ready, or there are too many open files to
// make another. Anything else is final, and so is what was said to be for good, whatever its errno.
bool may_heal(const absl::Status& failed);
absl::Status for_good(absl::Status failed);

// What a sync on which something depends has said. One that failed is for good: asked again, the disk may call it a
// success and have saved nothing. Only a directory that could not be opened, for want of descriptors, was never asked.
absl::Status of_sync(absl::Status synced);
// Syncs a directory where nobody can ask again: what was renamed in it is seen already. For want of descriptors it asks
// for a second; what it says then is for good.
absl::Status sync_names(FileSystem& fs, const std::string& directory);

// Gives back the space of a prepared segment that was never begun. It stays what it is: named or not, it has no
// records.
absl::Status shrink_unused(FileSystem& fs, const std::string& path);

// Bytes of a segment file that is prepared for `segment_bytes` and for records of up to `record_bytes_max`.
std::uint64_t allocation_for(std::uint64_t segment_bytes, std::uint32_t record_bytes_max) noexcept;

class SegmentWriter {
 public:
  // Creates the file exclusively, allocates it, writes the identity with a random salt and syncs the file; the
  // directory is the caller's to sync. On an error a file that was created is removed again.
  static absl::StatusOr<std::unique_ptr<SegmentWriter>> create(FileSystem& fs, const std::string& directory,
                                                               const SegmentIdentity& identity, std::uint64_t capacity,
                                                               std::uint64_t allocation);

  // Writes the start block: from now on the segment counts and its predecessor is sealed.
  absl::Status start(Revision base_revision, const SegmentEnd& predecessor, UnixMillis now);
  bool started() const noexcept { return started_; }

  // Whether a batch with such a payload fits; a record alone always fits an empty segment.
  bool fits(std::uint64_t payload_bytes) const noexcept;
  // Header-only batches may go beyond the capacity, into the slack of the allocation.
  bool fits_header_only() const noexcept { return used_ + kBatchHeaderBytes <= allocation_; }
  bool empty() const noexcept { return used_ == kSegmentHeaderBytes; }
  std::uint64_t left() const noexcept { return used_ < capacity_ ? capacity_ - used_ : 0; }

  // Seals the records in `batch` (whose first kBatchHeaderBytes are room for the header) for the place they will have
  // and fills in the header. Nothing is written; header.payload_bytes must be right.
  void seal(std::span<std::byte> batch, const BatchHeader& header) noexcept;
  // Writes a sealed batch at the end. On an error the segment ends where it did.
  absl::Status write(Bytes batch, Revision last_revision);

  SegmentEnd end() const noexcept {
    return {.number = number_, .used = used_, .last_revision = last_revision_, .digest = digest_.value()};
  }
  std::uint64_t number() const noexcept { return number_; }
  std::uint64_t used() const noexcept { return used_; }
  std::uint64_t capacity() const noexcept { return capacity_; }
  Revision last_revision() const noexcept { return last_revision_; }
  File& file() noexcept { return *file_; }

 private:
  SegmentWriter(std::unique_ptr<File> file, const SegmentIdentity& identity, std::uint64_t capacity,
                std::uint64_t allocation) noexcept;

  const std::unique_ptr<File> file_;
  const std::uint64_t number_;
  const std::uint64_t seed_;
  const std::uint64_t capacity_;
  const std::uint64_t allocation_;
  std::byte header_[kSegmentHeaderBytes];
  std::uint64_t used_ = kSegmentHeaderBytes;  // a multiple of kBatchAlignment
  Revision last_revision_ = 0;
  bool started_ = false;
  DigestStream digest_;
};

}  // namespace kv
