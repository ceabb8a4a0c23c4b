#include "persistence/private_memory.h"

#include <array>
#include <cerrno>
#include <cstdio>

#include <fcntl.h>
#include <unistd.h>

namespace kv {
namespace {

// Of a line "Name:      1234 kB".
bool kilobytes_of(std::string_view line, std::string_view name, std::uint64_t& sum) noexcept {
  if (line.substr(0, name.size()) != name) return false;
  std::uint64_t number = 0;
  bool digits = false;
  for (const char c : line.substr(name.size())) {
    if (c >= '0' && c <= '9') {
      number = number * 10 + static_cast<std::uint64_t>(c - '0');
      digits = true;
    } else if (digits) {
      break;
    }
  }
  sum += number;
  return digits;
}

}  // namespace

bool private_memory_in(std::string_view smaps, std::uint64_t& bytes) noexcept {
  std::uint64_t kilobytes = 0;
  bool clean = false;
  bool dirty = false;
  while (!smaps.empty()) {
    const std::size_t end = smaps.find('\n');
    const std::string_view line = smaps.substr(0, end);
    smaps.remove_prefix(end == smaps.npos ? smaps.size() : end + 1);
    clean = kilobytes_of(line, "Private_Clean:", kilobytes) || clean;
    dirty = kilobytes_of(line, "Private_Dirty:", kilobytes) || dirty;
  }
  if (!clean || !dirty) return false;
  bytes = kilobytes * 1024;
  return true;
}

namespace {

bool private_memory_at(const char* path, std::uint64_t& bytes) noexcept {
  const int file = ::open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  std::array<char, 4096> text;  // The file has some twenty lines.
  std::size_t used = 0;
  ssize_t done = 0;
  while (used < text.size()) {
    done = ::read(file, text.data() + used, text.size() - used);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) break;
    used += static_cast<std::size_t>(done);
  }
  ::close(file);
  return done >= 0 && private_memory_in({text.data(), used}, bytes);
}

}  // namespace

bool private_memory(std::uint64_t& bytes) noexcept { return private_memory_at("/proc/self/smaps_rollup", bytes); }

bool private_memory_of(pid_t process, std::uint64_t& bytes) noexcept {
  std::array<char, 64> path;
  const int length = std::snprintf(path.data(), path.size(), "/proc/%d/smaps_rollup", process);
  return length > 0 && static_cast<std::size_t>(length) < path.size() && private_memory_at(path.data(), bytes);
}

}  // namespace kv
