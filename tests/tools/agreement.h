// The tool and the server, each asked about the same directory: they must say the same.
//
// A directory here is a map of its files, so that a sweep can damage it thousands of times without a disk.
// Threads: one.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/faulty_file_system.h"

namespace kv {

using Files = std::map<std::string, std::string>;  // by path below the directory

// Of a directory on the disk. Segments lose the zeros that they are allocated with, up to `zeros_left` of them.
Files files_in(const std::string& directory, std::size_t zeros_left = 64);
// The same files on a disk in memory, under "/data".
std::unique_ptr<FaultyFileSystem> disk_with(const Files& files);
inline constexpr const char* kDisk = "/data";

struct Verdict {
  enum class Start { kFresh, kServes, kRefuses } start = Start::kServes;
  std::uint64_t revision = 0;
  std::uint64_t keys = 0;
  std::uint64_t digest = 0;
  std::uint64_t request_ids = 0;
  std::uint64_t torn_bytes = 0;
  std::string torn;          // file and offset
  bool passed_over = false;  // damaged snapshots that an older one stands in for
  std::string why;           // of a refusal; for messages, not compared
  std::string file;          // that a refusal names
  // Of the log, from the tool alone, not compared: the newest watermark, and the offset where it ends without a seal.
  std::uint64_t watermark = 0;
  std::uint64_t log_end = 0;

  friend bool operator==(const Verdict& a, const Verdict& b);
};
std::string text_of(const Verdict& verdict);

Verdict server_verdict(FaultyFileSystem& fs);  // writes, as a start does: the tool goes first
Verdict tool_verdict(FaultyFileSystem& fs);

// What a start is left with that was told to go on without what is damaged; nothing where there is no state to go on
// with. The server alone: the tool's answer is repair.
struct Acceptance {
  std::uint64_t revision = 0;
  std::uint64_t keys = 0;
  std::uint64_t digest = 0;
  std::uint64_t request_ids = 0;
  // Files that MANIFEST named, that hold something, and that no name leads to afterwards, nor are their records copied;
  // or that were changed.
  std::vector<std::string> vanished;
};
std::optional<Acceptance> accepted(const Files& files);

// Asks both. When they differ, that is a failed check; `what` says where we are. Returns the tool's verdict.
Verdict agreed(const Files& files, const std::string& what);

}  // namespace kv
