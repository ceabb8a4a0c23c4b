// A tree of files in memory that knows what a process sees apart from what is on stable storage.
//
// Hard part: every change that was not synced is remembered, in order, until a sync of its file or directory makes it
// stable. A crash then is a choice of which of them survive. The rules are the harshest that a real file system
// follows: syncing a file does not make its name durable, and syncing a name does not make the data durable; a rename
// survives whole or not at all.
//
// After a failed sync the changes it should have saved are doomed: a later sync reports success and does not save them,
// as kernels do that mark dirty pages clean.
//
// Threads:  none of its own; FaultyFileSystem locks around it.
// Lifetime: nodes are shared: a removed file lives on while somebody has it open.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/checksum.h"

namespace kv {

// Which of the changes that were not synced survive a crash.
struct Survivors {
  enum class Which {
    kNone,       // only what was synced: the harshest
    kAll,        // as if the process had been killed, not the machine
    kOnlyNames,  // files are there, empty or old
    kOnlyData,   // data of files whose names were durable
    kFirst,      // the first `count` changes, and of the next one, if it is a write, `torn_bytes`
    kRandom,     // names up to some point; of the data any sectors of 512 bytes
  };
  Which which = Which::kNone;
  std::size_t count = 0;
  std::size_t torn_bytes = 0;
  std::uint64_t seed = 0;
};

class SimulatedDisk {
 public:
  struct Node;
  using NodePointer = std::shared_ptr<Node>;
  struct Content {
    std::string data;
    std::map<std::string, NodePointer> names;
  };
  struct Node {
    bool is_directory = false;
    Content live;
    Content stable;
    const void* lock_holder = nullptr;
  };

  SimulatedDisk();

  const NodePointer& root() const noexcept { return root_; }

  // Changes as the process sees them; the arguments are sound.
  void write(const NodePointer& file, Bytes data, std::uint64_t offset);
  void truncate(const NodePointer& file, std::uint64_t size);
  void grow(const NodePointer& file, std::uint64_t size);
  void link(const NodePointer& directory, const std::string& name, NodePointer node);
  void unlink(const NodePointer& directory, const std::string& name);
  void rename(const NodePointer& from, const std::string& old_name, const NodePointer& to, const std::string& new_name);

  void sync(const NodePointer& node);
  void fail_sync(const NodePointer& node);
  void sync_everything();

  std::size_t unsynced_changes() const noexcept { return pending_.size(); }
  std::uint64_t live_bytes() const;
  // Of all names and contents as a process sees them: two disks of the same one are the same.
  std::uint64_t fingerprint() const;
  // What a machine finds that starts after a crash now. This disk goes on undisturbed.
  SimulatedDisk after_crash(const Survivors& survivors) const;

 private:
  struct Change {
    enum class Kind { kWrite, kTruncate, kGrow, kName } kind;
    NodePointer node;
    std::uint64_t order = 0;   // the two halves of a rename share one
    std::uint64_t offset = 0;  // or size
    std::string bytes;         // or name
    NodePointer target;        // of a name; null: the name is gone
    bool doomed = false;
  };

  static void apply(const Change& change, Content& content);
  void make(Change change);
  std::vector<Change> choose(const Survivors& survivors) const;
  std::vector<Change> choose_random(std::uint64_t seed) const;

  NodePointer root_;
  std::vector<Change> pending_;  // in order
  std::uint64_t next_order_ = 1;
};

}  // namespace kv
