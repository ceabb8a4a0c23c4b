#include "tests/support/system_call_filter.h"

#include <cstddef>
#include <cstdint>
#include <vector>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace kv {
namespace {

sock_filter statement(unsigned code, std::uint32_t value) { return {static_cast<std::uint16_t>(code), 0, 0, value}; }

void install(std::initializer_list<long> numbers, std::uint32_t for_these, std::uint32_t for_others, unsigned flags) {
  std::vector<sock_filter> program{statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
  for (const long number : numbers) {
    program.push_back({BPF_JMP | BPF_JEQ | BPF_K, 0, 1, static_cast<std::uint32_t>(number)});
    program.push_back(statement(BPF_RET | BPF_K, for_these));
  }
  program.push_back(statement(BPF_RET | BPF_K, for_others));
  const sock_fprog filter{static_cast<std::uint16_t>(program.size()), program.data()};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &filter) != 0) {
    ::_exit(90);
  }
}

}  // namespace

void refuse_system_calls(std::initializer_list<long> numbers, int error_number) {
  install(numbers, SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error_number), SECCOMP_RET_ALLOW,
          SECCOMP_FILTER_FLAG_TSYNC);
}

void allow_only_system_calls(std::initializer_list<long> numbers) {
  install(numbers, SECCOMP_RET_ALLOW, SECCOMP_RET_KILL_PROCESS, 0);
}

}  // namespace kv
