// A file descriptor that closes itself, for pipes and the like. Files have core/file_system.h.
// Threads: as an int. Lifetime: closed by the destructor unless release()d.
#pragma once

#include <utility>

#include <unistd.h>

namespace kv {

class Descriptor {
 public:
  Descriptor() noexcept = default;
  explicit Descriptor(int number) noexcept : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) {
      reset();
      number_ = other.release();
    }
    return *this;
  }
  ~Descriptor() { reset(); }

  int get() const noexcept { return number_; }
  bool valid() const noexcept { return number_ >= 0; }
  int release() noexcept { return std::exchange(number_, -1); }
  void reset() noexcept {
    if (valid()) ::close(release());
  }

 private:
  int number_ = -1;
};

}  // namespace kv
