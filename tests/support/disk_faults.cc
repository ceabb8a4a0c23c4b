#include "tests/support/disk_faults.h"

#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "tests/support/file_watch.h"

namespace kv {

std::map<std::string, std::string> DiskFaults::environment() const {
  return {{"LD_PRELOAD", KV_DISK_FAULTS}, {"KV_FAULTS", folder_.path()}};
}

void DiskFaults::begin(const std::string& fault) {
  std::ofstream file(folder_.file(fault));
  if (!file) throw std::runtime_error("cannot make " + folder_.file(fault));
}

void DiskFaults::end(const std::string& fault) { std::filesystem::remove(folder_.file(fault)); }

void DiskFaults::wait_until_delivered() const {
  FileWatch watch({folder_.path()});
  watch.wait_until("a fault that was met", [&] { return std::filesystem::exists(folder_.file("delivered")); });
}

}  // namespace kv
