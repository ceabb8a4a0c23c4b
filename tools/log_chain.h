// The log as a whole: segments in the order of MANIFEST, each sealing the one before; and where it ends.
//
// Hard part: torn tail or corruption, by the rule of docs/formats/aof.md: a good batch header behind the first bad
// place whose watermark is above the last good revision proves that synced bytes are gone. What is damaged then is that
// place; or the start block of the next segment, where that one has none and the place has only zeros behind it.
//
// Threads: one. Bounds: two files are open at a time; of each segment its header is kept.
// Lifetime: the visitor's views are gone when it returns.
// Errors:  damage() for corruption and for a named file that is missing; what the visitor was given by then is void.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/file_system.h"
#include "core/progress.h"
#include "tools/segment_page.h"

namespace kv::tools {

struct SegmentSummary {
  std::uint64_t number = 0;
  std::string path;
  std::uint64_t file_bytes = 0;
  bool started = false;
  Revision base = 0;
  Revision last = 0;
  std::uint64_t used = 0;  // good up to here
  std::uint64_t records = 0;
  Revision predecessor_last = 0;
};

struct TornTail {
  std::string file;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;  // behind it, zeros left out
  Revision last_revision = 0;
  std::string why;
  // The first bad place: the one above, or the start block of the segment behind it.
  std::string bad_file;
  std::uint64_t bad_offset = 0;
};

struct LogChain {
  std::vector<SegmentSummary> segments;  // all that are named, in order; those behind the end are not started or lost
  std::size_t counted = 0;               // how many of them count
  Revision last_revision = 0;
  Revision watermark = 0;
  UnixMillis clock = 0;
  std::uint64_t records = 0;
  bool sealed = false;          // ends where MANIFEST says
  std::optional<TornTail> end;  // where it ends when not sealed; a torn tail when bytes > 0
};

struct LogPlace {
  std::string folder;
  StoreId store_id{};
  std::vector<std::uint64_t> numbers;           // as MANIFEST names them
  std::map<std::uint64_t, std::uint64_t> used;  // as MANIFEST says
};

using VisitRecord = std::function<void(const RecordFacts&)>;

absl::StatusOr<LogChain> read_log(FileSystem& fs, const LogPlace& place, const VisitRecord& visit, Progress& progress);

}  // namespace kv::tools
