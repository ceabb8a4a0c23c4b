// Descriptors kept back for files. When the clients of a process have used up its limit, the log must still be able to
// open its next segment: a log that cannot go on refuses every write until a restart.
//
// Hard part: a number that is freed belongs to whoever opens something first, and that may be the next client. So a
// file is closed by putting a spare in its place (dup3), without the number ever being free, and an open that found the
// limit reached is tried again for each spare there is.
//
// Threads:  any.
// Lifetime: the spares are closed by the destructor.
// Errors:   none. With no spares left, an open fails with EMFILE as it would without them.
#pragma once

#include <cerrno>
#include <cstddef>
#include <mutex>
#include <vector>

namespace kv {

class SpareDescriptors {
 public:
  SpareDescriptors() = default;
  ~SpareDescriptors();
  SpareDescriptors(const SpareDescriptors&) = delete;
  SpareDescriptors& operator=(const SpareDescriptors&) = delete;

  // Keeps `count` back from now on; gives how many there are. Fewer, when the limit is reached already.
  std::size_t keep(std::size_t count);

  // The descriptor that `open()` gives, or -1 with its errno. While that is "too many", a spare is freed and it is
  // asked again.
  template <class Open>
  int open_with_spares(Open open) {
    int descriptor = open();
    while (descriptor < 0 && (errno == EMFILE || errno == ENFILE) && free_one()) descriptor = open();
    return descriptor;
  }

  // Closes it, and makes it a spare where one is lacking.
  void close(int descriptor) noexcept;

 private:
  bool free_one() noexcept;  // errno is as before when there is none

  std::mutex mutex_;
  std::vector<int> spares_;  // of /dev/null; the first is the model for new ones and is never freed
  std::size_t wanted_ = 0;
};

// Keeps so many back for the files of posix_file_system(); gives how many there are.
std::size_t keep_descriptors_for_files(std::size_t count);

}  // namespace kv
