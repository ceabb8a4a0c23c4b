// Reads a log back after a start: the segments that MANIFEST names, in order, record by record; and makes its tail
// safe.
//
// Hard part: telling a torn tail from corruption. At the first bad place the rest of that segment and all later ones
// are searched for good batch headers. One whose durable watermark is above the last good revision proves that bytes
// which were on stable storage are gone: corruption. None: those bytes were never promised to anybody: a torn tail.
// And naming the right file: where a segment ends in zeros and the next one is not started, but its bytes or later ones
// say that it was, it is that one's start block that is damaged.
//
// Threads: the calling thread only. Bounds: a log has thousands of segments, so of each its start block is kept in
// memory and no more; at most two files are open at a time, each with the memory of one SegmentReader.
// Lifetime: the visitor sees views that are gone when it returns.
// Errors:  corruption is Reason::kChecksum with the facts "file" and "offset"; a missing named file as well. What the
//          visitor was given by then must be thrown away.
// Source:  docs/formats/aof.md.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/file_system.h"
#include "persistence/log_position.h"
#include "persistence/log_record.h"

namespace kv {

// A segment as MANIFEST names it. With `used` the segment is known to be whole up to there and to end there.
struct NamedSegment {
  std::uint64_t number = 0;
  std::optional<std::uint64_t> used;
};

struct ReplayedSegment {
  SegmentEnd end;              // what was read: good up to end.used
  Revision base_revision = 0;  // every record in it is above
};

struct LogReplay {
  std::vector<ReplayedSegment> segments;  // those that count, oldest first; prepared and lost ones are left out
  Revision last_revision = 0;             // of the last good record, or the base of its segment; 0 with no segment
  Revision watermark = 0;                 // highest durable watermark seen: nothing up to there needs copy_tail()
  UnixMillis clock = 0;                   // highest clock seen
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;
  bool sealed = false;  // the last segment ended where MANIFEST said
  // A torn tail: bytes that follow the last good one and are not zero.
  std::uint64_t discarded_bytes = 0;
  std::string tail_file;
  std::uint64_t tail_offset = 0;
  // The first place that is not good, empty where the log ended sealed: tail_file at tail_offset, or the start block of
  // the segment behind it.
  std::string end_file;
  std::uint64_t end_offset = 0;
};

using RecordVisitor = std::function<void(const LogRecord&)>;

absl::StatusOr<LogReplay> replay_log(FileSystem& fs, const std::string& directory, const StoreId& store_id,
                                     std::span<const NamedSegment> segments, const RecordVisitor& visit);

// The same, for a start that was told to go on without what is damaged: the log up to the damage, made ready for
// copy_tail(), which then copies what is good of the segment that holds it. Only what is no damage is a status.
struct LogPrefix {
  LogReplay replay;
  absl::Status damage;            // OK: there is none, and `replay` is as replay_log() gives it
  std::size_t damaged_index = 0;  // in `segments`
};
absl::StatusOr<LogPrefix> replay_log_to_damage(FileSystem& fs, const std::string& directory, const StoreId& store_id,
                                               std::span<const NamedSegment> segments, const RecordVisitor& visit);

// Where the log ends once the tail is safe. MANIFEST must name the segments of `replay` up to and including cut.number,
// that one with the used size cut.used (none of them when cut.number is 0); then, when tail.number is not 0, that
// segment with tail.used. Whatever else lies in the directory does not exist any more.
struct SafeTail {
  SegmentEnd cut;
  SegmentEnd tail;
  // The predecessor of whatever segment is opened next; number 0 when the log holds no record at all.
  const SegmentEnd& end() const noexcept { return tail.number != 0 ? tail : cut; }
};

// Copies every record above replay.watermark into a new segment of number `number` and syncs file and directory; where
// there is none but the log ends in a jump behind the last record, a segment that holds only that. end() is where
// `replay` ends, unless there is no record at all. Nothing else changes on disk. A sealed log is returned as it is.
absl::StatusOr<SafeTail> copy_tail(FileSystem& fs, const std::string& directory, const StoreId& store_id,
                                   const LogReplay& replay, std::uint64_t number, UnixMillis now);

}  // namespace kv
