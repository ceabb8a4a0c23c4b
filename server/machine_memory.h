// How much memory the kernel lets this process have, and how far away its killer is: the machine's memory, and the
// limits of the control groups it runs in, of version 2 (memory.max) and version 1 (memory.limit_in_bytes).
//
// Hard part: a limit counts in every group from the process's own up to the root, and inside a container the names in
// /proc may be those of the host. So every folder on the way that exists is asked, and the root of the hierarchy too.
// What counts against a limit includes files that the kernel would give back before it kills: those are taken off.
//
// Threads:  read() from one thread at a time.
// Errors:   what cannot be read limits nothing: a system without these files is one without such limits.
// Source:   Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst of the kernel, proc(5).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace kv {

struct MemoryReading {
  // The lowest of all limits: beyond it somebody is killed. 0: unknown.
  std::uint64_t limit = 0;
  // What may still be taken before one must stop, with a margin kept to the nearest limit; negative: the margin is
  // being eaten.
  std::int64_t headroom = 0;
};

class MachineMemory {
 public:
  // Tests give a folder of their own as root.
  explicit MachineMemory(std::string root = "");

  // Opens a few files of /proc and /sys.
  MemoryReading read() const;

 private:
  // One control group with a memory controller.
  struct Group {
    std::string folder;
    bool version_2;
  };

  void find_groups();
  void add_group_and_parents(const std::string& mount, std::string path, bool version_2);
  std::optional<std::uint64_t> limit_of(const Group& group) const;
  std::optional<std::uint64_t> used_by(const Group& group) const;

  const std::string root_;
  std::vector<Group> groups_;
};

}  // namespace kv
