// What the kernel allows, read from files as they are found on real machines.
#include "server/machine_memory.h"

#include <filesystem>
#include <fstream>
#include <string>

#include <catch2/catch.hpp>

#include "server/memory_watch.h"
#include "tests/support/temp_directory.h"

using namespace kv;

namespace {

constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kGiB = 1 << 30;

struct Machine {
  Machine& file(const std::string& path, const std::string& text) {
    const std::filesystem::path whole = directory.file(path);
    std::filesystem::create_directories(whole.parent_path());
    std::ofstream(whole) << text;
    return *this;
  }
  Machine& with_memory(std::uint64_t total, std::uint64_t available) {
    return file("proc/meminfo", "MemTotal:       " + std::to_string(total >> 10) + " kB\nMemFree:          1024 kB\n" +
                                    "MemAvailable:   " + std::to_string(available >> 10) + " kB\n");
  }
  MemoryReading read() const { return MachineMemory(directory.path()).read(); }

  TempDirectory directory;
};

}  // namespace

TEST_CASE("machine memory: without any group it is the machine's, with a margin of one part in 32") {
  Machine machine;
  machine.with_memory(32 * kGiB, 8 * kGiB);
  CHECK(machine.read().limit == 32 * kGiB);
  CHECK(machine.read().headroom == static_cast<std::int64_t>(7 * kGiB));
  machine.with_memory(32 * kGiB, kGiB / 2);
  CHECK(machine.read().headroom < 0);
}

TEST_CASE("machine memory: a container of version 2 sees its own group as the root") {
  Machine machine;
  machine.with_memory(32 * kGiB, 30 * kGiB)
      .file("proc/self/cgroup", "0::/\n")
      .file("sys/fs/cgroup/memory.max", "1073741824\n")
      .file("sys/fs/cgroup/memory.current", "734003200\n")  // 700 MiB
      .file("sys/fs/cgroup/memory.stat",
            "anon 500\nfile 300\ninactive_file 104857600\nactive_file 52428800\nslab_reclaimable 52428800\n");
  CHECK(machine.read().limit == kGiB);
  // 90 % of a GiB, less 700 MiB of which 200 would be given back.
  CHECK(machine.read().headroom == static_cast<std::int64_t>(kGiB - kGiB / 10 - 500 * kMiB));
}

TEST_CASE("machine memory: the lowest limit on the way to the root counts, and max is none") {
  Machine machine;
  machine.with_memory(32 * kGiB, 30 * kGiB)
      .file("proc/self/cgroup", "0::/kube.slice/pod.slice/box\n")
      .file("sys/fs/cgroup/kube.slice/pod.slice/box/memory.max", "max\n")
      .file("sys/fs/cgroup/kube.slice/pod.slice/memory.max", "2147483648\n")
      .file("sys/fs/cgroup/kube.slice/pod.slice/memory.current", "2040109465\n")
      .file("sys/fs/cgroup/kube.slice/memory.max", "4294967296\n")
      .file("sys/fs/cgroup/kube.slice/memory.current", "2040109465\n");
  CHECK(machine.read().limit == 2 * kGiB);
  CHECK(machine.read().headroom < 0);  // 95 % of it are used
}

TEST_CASE("machine memory: version 1, where no limit is a large number and the path is one of the host") {
  Machine machine;
  machine.with_memory(32 * kGiB, 30 * kGiB)
      .file("proc/self/cgroup", "9:name=systemd:/docker/abc\n4:cpu,memory:/docker/abc\n0::/\n")
      .file("sys/fs/cgroup/memory/memory.limit_in_bytes", "536870912\n")
      .file("sys/fs/cgroup/memory/memory.usage_in_bytes", "419430400\n")
      .file("sys/fs/cgroup/memory/memory.stat",
            "inactive_file 1\ntotal_inactive_file 104857600\ntotal_active_file 104857600\n");
  CHECK(machine.read().limit == kGiB / 2);
  CHECK(machine.read().headroom == static_cast<std::int64_t>(kGiB / 2 - kGiB / 20 - 200 * kMiB));
  machine.file("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  CHECK(machine.read().limit == 32 * kGiB);
}

TEST_CASE("machine memory: a group larger than the machine does not make it larger") {
  Machine machine;
  machine.with_memory(4 * kGiB, 3 * kGiB)
      .file("proc/self/cgroup", "0::/\n")
      .file("sys/fs/cgroup/memory.max", "1099511627776\n");
  CHECK(machine.read().limit == 4 * kGiB);
}

TEST_CASE("machine memory: where nothing can be read nothing is limited") {
  const MemoryReading reading = Machine().read();
  CHECK(reading.limit == 0);
  CHECK(reading.headroom > 0);
  CHECK(MemoryWatch::automatic_limit(reading) == std::uint64_t{1} << 50);
}

TEST_CASE("machine memory: the automatic limit is three quarters of the lower one") {
  CHECK(MemoryWatch::automatic_limit({4 * kGiB, 0}) == 3 * kGiB);
}

TEST_CASE("machine memory: of the machine that runs this test something is known") {
  const MemoryReading reading = MachineMemory().read();
  CHECK(reading.limit > 0);
  CHECK(reading.headroom < static_cast<std::int64_t>(reading.limit));
}
