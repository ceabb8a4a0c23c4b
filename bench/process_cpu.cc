#include "bench/process_cpu.h"

#include <ctime>
#include <fstream>
#include <sstream>
#include <string>

#include <fmt/format.h>
#include <unistd.h>

#include "core/absl_text.h"

namespace kv {

absl::StatusOr<CpuTime> process_cpu(pid_t process) {
  clockid_t clock{};
  timespec time{};
  // The number of the clock is made of that of the process: none is 0, that of another is what overflows.
  constexpr pid_t kMost = 1 << 22;  // PID_MAX_LIMIT of the kernel
  if (process <= 0 || process > kMost || clock_getcpuclockid(process, &clock) != 0 ||
      clock_gettime(clock, &time) != 0) {
    return process_cpu_in_ticks(process);  // It says itself when there is no such process.
  }
  return CpuTime{std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec), false};
}

absl::StatusOr<CpuTime> process_cpu_in_ticks(pid_t process) {
  const std::string path = fmt::format("/proc/{}/stat", process);
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  // The name in parentheses may hold anything; what follows the last one is blanks and numbers from field 3 on.
  const std::size_t end_of_name = line.rfind(')');
  if (end_of_name == std::string::npos) return absl::NotFoundError(to_absl(fmt::format("cannot read {}", path)));
  std::istringstream fields(line.substr(end_of_name + 1));
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  long user_ticks = 0;
  long kernel_ticks = 0;
  if (!(fields >> user_ticks >> kernel_ticks)) {
    return absl::NotFoundError(to_absl(fmt::format("{} has too few fields", path)));
  }
  return CpuTime{std::chrono::nanoseconds((user_ticks + kernel_ticks) * 1'000'000'000 / sysconf(_SC_CLK_TCK)), true};
}

}  // namespace kv
