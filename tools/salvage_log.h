// Reads the good records of segments that may be damaged, and lists what lies between them.
//
// Threads: one. Errors: the disk's. Source: docs/formats/aof.md.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tools/directory_page.h"
#include "tools/log_chain.h"
#include "tools/salvage.h"

namespace kv::tools {

class SalvageLog {
 public:
  // `after` is the revision that the snapshot reaches to. `keep` gets every record that counts; with `stop` those
  // behind the first damage are not kept but listed.
  SalvageLog(FileSystem& fs, const DirectoryPage& directory, StoreId store_id, Revision after, bool stop,
             VisitRecord keep, std::vector<Loss>& losses)
      : fs_(fs),
        directory_(directory),
        store_id_(store_id),
        stop_(stop),
        keep_(std::move(keep)),
        losses_(losses),
        last_(after) {}

  // Segments in ascending order; `used` is the limit that MANIFEST or the successor gives, when there is one.
  absl::Status read(std::uint64_t number, std::optional<std::uint64_t> used, bool last);

 private:
  absl::Status read_segment(FileView& file, std::uint64_t seed, std::uint64_t end, bool last);
  absl::Status lost_whole(const std::string& path, std::uint64_t bytes, std::string_view why);
  absl::Status lost(FileView& file, std::uint64_t from, std::uint64_t to, std::string_view why, Revision next);
  void name_keys(FileView& file, std::uint64_t from, std::uint64_t to, Loss& loss) const;
  void expect(const StartBlock& start, const std::string& path);
  void take(const RecordFacts& record, const std::string& path);
  absl::StatusOr<std::optional<SegmentHead>> head_of(FileView& file, std::uint64_t number) const;

  FileSystem& fs_;
  const DirectoryPage& directory_;
  const StoreId store_id_;
  const bool stop_;
  const VisitRecord keep_;
  std::vector<Loss>& losses_;
  Revision last_;  // the highest that is accounted for
  bool stopped_ = false;
  bool header_lost_ = false;  // of the segment that is read, and no record of it seen yet
};

}  // namespace kv::tools
