#include "tests/support/memory_map.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <sys/mman.h>
#include <unistd.h>

namespace kv {
namespace {

// Of a line "Name:   12 kB"; 0 for another line.
std::size_t bytes_of(const std::string& line, const std::string& name) {
  return line.rfind(name + ":", 0) == 0 ? std::stoull(line.substr(name.size() + 1)) * 1024 : 0;
}

std::size_t of_process(const std::string& name) {
  std::ifstream file("/proc/self/smaps_rollup");
  std::size_t bytes = 0;
  for (std::string line; std::getline(file, line);) bytes += bytes_of(line, name);
  return bytes;
}

}  // namespace

std::size_t resident_bytes(const void* begin, std::size_t bytes) {
  const std::size_t page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  std::vector<unsigned char> pages(bytes / page);
  if (::mincore(const_cast<void*>(begin), bytes, pages.data()) != 0) throw std::runtime_error("mincore");
  return static_cast<std::size_t>(std::count_if(pages.begin(), pages.end(), [](auto p) { return (p & 1) != 0; })) *
         page;
}

std::size_t huge_bytes_of_mapping(const void* address) {
  const auto wanted = reinterpret_cast<std::uintptr_t>(address);
  std::ifstream file("/proc/self/smaps");
  bool in_it = false;
  for (std::string line; std::getline(file, line);) {
    std::uintptr_t begin = 0, end = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &begin, &end) == 2) in_it = begin <= wanted && wanted < end;
    if (in_it && line.rfind("AnonHugePages:", 0) == 0) return bytes_of(line, "AnonHugePages");
  }
  throw std::runtime_error("no mapping holds this address");
}

std::size_t resident_bytes() { return of_process("Rss"); }
std::size_t huge_bytes() { return of_process("AnonHugePages"); }

}  // namespace kv
