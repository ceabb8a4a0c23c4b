#include "bench/server_process.h"

#include <charconv>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <fmt/format.h>

#include "bench/process_cpu.h"

namespace kv {
namespace {

namespace fs = std::filesystem;

// The inode of a socket that listens on the port, in one of the kernel's two tables.
std::optional<std::string> listening_tcp(unsigned port, const char* table) {
  std::ifstream file(table);
  std::string line;
  std::getline(file, line);
  const std::string ending = fmt::format(":{:04X}", port);
  while (std::getline(file, line)) {
    std::istringstream fields(line);
    std::string number, local, remote, state, queues, timer, retransmit, user, timeout, inode;
    fields >> number >> local >> remote >> state >> queues >> timer >> retransmit >> user >> timeout >> inode;
    if (state == "0A" && local.ends_with(ending)) return inode;
  }
  return std::nullopt;
}

std::optional<std::string> listening_unix(const std::string& path) {
  std::ifstream file("/proc/net/unix");
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) {
    std::istringstream fields(line);
    std::string address, count, protocol, flags, type, state, inode, name;
    fields >> address >> count >> protocol >> flags >> type >> state >> inode >> name;
    if (name == path && state == "01") return inode;
  }
  return std::nullopt;
}

// Of the folder's entries the first that `wanted` says yes to. What vanishes meanwhile, or belongs to somebody else,
// ends the search of its folder without a word.
template <class Wanted>
std::optional<fs::path> find_in(const fs::path& folder, Wanted wanted) {
  std::error_code gone;
  for (fs::directory_iterator at(folder, gone), end; !gone && at != end; at.increment(gone)) {
    if (wanted(at->path())) return at->path();
  }
  return std::nullopt;
}

std::optional<pid_t> number_of(const fs::path& folder) {
  const std::string name = folder.filename();
  pid_t pid = 0;
  const auto [end, failed] = std::from_chars(name.data(), name.data() + name.size(), pid);
  if (failed != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return pid;
}

std::optional<pid_t> owner_of_socket(const std::string& inode) {
  const std::string wanted = fmt::format("socket:[{}]", inode);
  const auto is_wanted = [&](const fs::path& descriptor) {
    std::error_code closed;
    return fs::read_symlink(descriptor, closed) == wanted;
  };
  const auto process =
      find_in("/proc", [&](const fs::path& folder) { return number_of(folder) && find_in(folder / "fd", is_wanted); });
  return process ? number_of(*process) : std::nullopt;
}

bool is_this_machine(std::string_view host) {
  return host == "localhost" || host == "[::1]" || host == "::1" || host.starts_with("127.");
}

// The number behind "name:" in lines of that form; 0: it is not there.
std::uint64_t figure(const std::string& path, std::string_view name) {
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) {
    if (!line.starts_with(name)) continue;
    std::istringstream value(line.substr(name.size()));
    std::uint64_t number = 0;
    value >> number;
    return number;
  }
  return 0;
}

}  // namespace

std::optional<pid_t> process_behind(const std::string& target) {
  if (target.starts_with("unix:")) {
    const auto inode = listening_unix(target.substr(5));
    return inode ? owner_of_socket(*inode) : std::nullopt;
  }
  const std::size_t colon = target.rfind(':');
  if (colon == std::string::npos || !is_this_machine(std::string_view(target).substr(0, colon))) return std::nullopt;
  unsigned port = 0;
  std::from_chars(target.data() + colon + 1, target.data() + target.size(), port);
  auto inode = listening_tcp(port, "/proc/net/tcp");
  if (!inode) inode = listening_tcp(port, "/proc/net/tcp6");
  return inode ? owner_of_socket(*inode) : std::nullopt;
}

absl::StatusOr<ProcessUse> use_of(pid_t process) {
  ProcessUse use;
  const auto cpu = process_cpu(process);
  if (!cpu.ok()) return cpu.status();
  use.cpu = cpu->time;
  use.cpu_in_ticks = cpu->in_ticks;
  const std::string folder = fmt::format("/proc/{}/", process);
  use.memory_bytes = figure(folder + "status", "VmRSS:") * 1024;
  use.memory_peak_bytes = figure(folder + "status", "VmHWM:") * 1024;
  use.written_bytes = figure(folder + "io", "wchar:");
  use.disk_bytes = figure(folder + "io", "write_bytes:");
  return use;
}

}  // namespace kv
