#include "server/machine_memory.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <limits>
#include <map>
#include <string_view>

namespace kv {
namespace {

// Where version 1 says "no limit" it gives the largest number of whole pages.
constexpr std::uint64_t kNoLimit = std::uint64_t{1} << 60;
// A tenth of a group is kept free: its killer comes when nothing is left. Of the machine, which has swap and other
// things to give back, one part in 32.
constexpr std::uint64_t kGroupMargin = 10;
constexpr std::uint64_t kMachineMargin = 32;

std::optional<std::uint64_t> number_in(const std::string& path) {
  std::ifstream file(path);
  std::uint64_t number = 0;
  if (!(file >> number)) return std::nullopt;  // "max", too
  return number;
}

// Lines "name number"; the names that meminfo ends with a colon are given without it.
std::map<std::string, std::uint64_t> numbers_in(const std::string& path) {
  std::map<std::string, std::uint64_t> numbers;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const std::size_t end = line.find_first_of(": ");
    if (end == line.npos) continue;
    const std::size_t begin = line.find_first_not_of(": ", end);
    if (begin == line.npos) continue;
    std::uint64_t number = 0;
    if (std::from_chars(line.data() + begin, line.data() + line.size(), number).ec != std::errc()) continue;
    numbers[line.substr(0, end)] = number;
  }
  return numbers;
}

std::uint64_t value_of(const std::map<std::string, std::uint64_t>& numbers, const std::string& name) {
  const auto found = numbers.find(name);
  return found == numbers.end() ? 0 : found->second;
}

bool names_memory(std::string_view controllers) {
  while (!controllers.empty()) {
    const std::string_view name = controllers.substr(0, controllers.find(','));
    if (name == "memory") return true;
    controllers.remove_prefix(std::min(controllers.size(), name.size() + 1));
  }
  return false;
}

std::int64_t left(std::uint64_t limit, std::uint64_t margin, std::uint64_t used) {
  return static_cast<std::int64_t>(limit - margin) - static_cast<std::int64_t>(used);
}

}  // namespace

MachineMemory::MachineMemory(std::string root) : root_(std::move(root)) { find_groups(); }

void MachineMemory::find_groups() {
  std::ifstream file(root_ + "/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {  // "number:controllers:path"
    const std::size_t first = line.find(':');
    const std::size_t second = first == line.npos ? line.npos : line.find(':', first + 1);
    if (second == line.npos) continue;
    const std::string_view controllers = std::string_view(line).substr(first + 1, second - first - 1);
    const std::string path = line.substr(second + 1);
    if (controllers.empty()) add_group_and_parents("/sys/fs/cgroup", path, true);
    if (names_memory(controllers)) add_group_and_parents("/sys/fs/cgroup/memory", path, false);
  }
}

void MachineMemory::add_group_and_parents(const std::string& mount, std::string path, bool version_2) {
  while (path.ends_with('/')) path.pop_back();
  const std::string top = root_ + mount;
  while (true) {
    groups_.push_back({top + path, version_2});
    if (path.empty()) return;
    path.resize(path.rfind('/') == path.npos ? 0 : path.rfind('/'));
  }
}

std::optional<std::uint64_t> MachineMemory::limit_of(const Group& group) const {
  const auto limit = number_in(group.folder + (group.version_2 ? "/memory.max" : "/memory.limit_in_bytes"));
  return limit && *limit < kNoLimit ? limit : std::nullopt;
}

std::optional<std::uint64_t> MachineMemory::used_by(const Group& group) const {
  const auto all = number_in(group.folder + (group.version_2 ? "/memory.current" : "/memory.usage_in_bytes"));
  if (!all) return std::nullopt;
  const auto numbers = numbers_in(group.folder + "/memory.stat");
  const std::uint64_t files = group.version_2
                                  ? value_of(numbers, "inactive_file") + value_of(numbers, "active_file") +
                                        value_of(numbers, "slab_reclaimable")
                                  : value_of(numbers, "total_inactive_file") + value_of(numbers, "total_active_file");
  return *all - std::min(*all, files);
}

MemoryReading MachineMemory::read() const {
  MemoryReading reading{0, std::numeric_limits<std::int64_t>::max()};
  const auto consider = [&](std::uint64_t limit, std::int64_t headroom) {
    reading.limit = reading.limit == 0 ? limit : std::min(reading.limit, limit);
    reading.headroom = std::min(reading.headroom, headroom);
  };
  const auto machine = numbers_in(root_ + "/proc/meminfo");
  const std::uint64_t total = value_of(machine, "MemTotal") << 10;
  const auto available = machine.find("MemAvailable");
  if (total != 0 && available != machine.end()) {
    const std::uint64_t free = std::min(available->second << 10, total);
    consider(total, left(total, total / kMachineMargin, total - free));
  }
  for (const Group& group : groups_) {
    const auto limit = limit_of(group);
    if (!limit) continue;
    const auto used = used_by(group);
    consider(*limit, used ? left(*limit, *limit / kGroupMargin, *used) : std::numeric_limits<std::int64_t>::max());
  }
  return reading;
}

}  // namespace kv
